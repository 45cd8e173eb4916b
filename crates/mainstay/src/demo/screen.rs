//! What the reader sees: a table that is redrawn on a terminal, plain lines otherwise; with `--json`
//! everything but the summary goes to standard error.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use trial::{Live, Load};

use super::board::Board;
use crate::output::{Output, Style, Table, paint};

const FRAME: Duration = Duration::from_millis(200);
/// Without a terminal the counters are told this often.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// So many of the last events stand below the table.
const EVENTS: usize = 10;

/// The reader's screen.
pub(super) struct Screen {
    output: Output,
    is_drawn: bool,
    length: Duration,
    start: Cell<Instant>,
    is_begun: Cell<bool>,
    events: RefCell<VecDeque<String>>,
}

impl Screen {
    pub(super) fn new(output: Output, length: Duration) -> Self {
        Self {
            output,
            is_drawn: !output.json && io::stdout().is_terminal(),
            length,
            start: Cell::new(Instant::now()),
            is_begun: Cell::new(false),
            events: RefCell::default(),
        }
    }

    /// The load has begun: times count from here.
    pub(super) fn begin(&self) {
        self.start.set(Instant::now());
        self.is_begun.set(true);
        if self.is_drawn {
            let _ = self.output.data("\x1b[2J");
        }
    }

    /// Something happened.
    pub(super) fn say(&self, text: &str) {
        let seconds = self.start.get().elapsed().as_secs_f64();
        let line = format!("{seconds:6.1} s  {text}");
        if self.is_drawn && self.is_begun.get() {
            let mut events = self.events.borrow_mut();
            if events.len() == EVENTS {
                events.pop_front();
            }
            events.push_back(line);
        } else if self.output.json {
            self.output.talk(&line);
        } else {
            let _ = self.output.data(&line);
        }
    }

    /// Shows the counters until it is dropped.
    pub(super) async fn follow(&self, load: &Load, board: &Board) {
        loop {
            if self.is_drawn {
                self.draw(&load.live(), board);
                sleep(FRAME).await;
            } else {
                sleep(LINE_EVERY).await;
                let rows: Vec<String> = load.live().iter().map(row).collect();
                self.say(&rows.join("; "));
            }
        }
    }

    fn draw(&self, live: &[Live], board: &Board) {
        let mut lines = vec![self.headline(board), String::new()];
        lines.extend(table(live, board));
        lines.push(String::new());
        lines.extend(self.events.borrow().iter().cloned());
        // Home, each line cleared to its end, the rest cleared: no flicker.
        let text = format!("\x1b[H{}\x1b[K\n\x1b[J", lines.join("\x1b[K\n"));
        let _ = self.output.data(text.trim_end_matches('\n'));
    }

    fn headline(&self, board: &Board) -> String {
        let seconds = self.start.get().elapsed().as_secs();
        let length = self.length.as_secs();
        let is_coloured = self.output.is_data_coloured;
        let state = match board.status() {
            None => paint("starting", Style::Quiet, is_coloured),
            Some(status) if status.primary.is_none() => {
                paint("NO PRIMARY", Style::Bad, is_coloured)
            }
            Some(status) if status.is_protected() => paint("protected", Style::Good, is_coloured),
            Some(_) => paint("not protected", Style::Warn, is_coloured),
        };
        let epoch = board.status().map_or(0, |status| status.epoch);
        let faults = board.faults().len();
        format!(
            "mainstay demo   {seconds} of {length} s   {state}   epoch {epoch}   {faults} faults"
        )
    }
}

/// A gateway's counters in a few words.
fn row(live: &Live) -> String {
    let Live {
        node,
        acknowledged,
        failed,
        unknown,
        ..
    } = live;
    let ms = live.silence.as_millis();
    format!("{node}: {acknowledged} writes, {failed} refused, {unknown} unknown, last {ms} ms ago")
}

fn table(live: &[Live], board: &Board) -> Vec<String> {
    let head = [
        "NODE",
        "ROLE",
        "HEALTH",
        "WRITES",
        "REFUSED",
        "UNKNOWN",
        "READS",
        "LAST WRITE",
        "LONGEST PAUSE",
    ];
    let mut table = Table::new(&head);
    let status = board.status();
    let nodes = status.iter().flat_map(|status| &status.nodes);
    for node in nodes {
        let mut cells = vec![node.name.clone(), node.role.clone(), node.health.clone()];
        if let Some(row) = live.iter().find(|row| row.node == node.name) {
            let ms = |time: Duration| format!("{} ms", time.as_millis());
            cells.extend([
                row.acknowledged.to_string(),
                row.failed.to_string(),
                row.unknown.to_string(),
                row.reads.to_string(),
                ms(row.silence),
                ms(row.longest_silence),
            ]);
        }
        table.row(cells);
    }
    table.lines()
}
