//! Scripts: `## name: what it is about`, then lines, each for one connection.
//!
//! `1> SQL` must succeed; `1!1146> SQL` must fail so; `1;> SQL` and `1;!1146> SQL` always as text;
//! `1 count> SQL` only the numbers of rows and columns are compared; `1 until empty> SQL` waits for that;
//! `1 quits` says goodbye; `1 ends` is ended by the server. Indented lines go on with the line above.

use std::time::{Duration, Instant};

use wire::command::{Shape, code};

use crate::answer::Answer;
use crate::stage::{Stage, Way};
use crate::value::{about, execute};

/// A script cut out of its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    body: &'static str,
}

/// The scripts of a file.
pub(crate) fn scripts(file: &'static str) -> Vec<Script> {
    let parts = file.split("## ").filter(|part| !part.trim().is_empty());
    let cut = |part: &'static str| {
        let (head, body) = part.split_once('\n').unwrap();
        let (name, about) = head.split_once(": ").unwrap();
        Script { name, about, body }
    };
    parts.map(cut).collect()
}

/// What a statement must do at the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Succeed,
    Fail(u16),
    Counted,
    UntilEmpty,
}

impl Script {
    /// Runs it.
    pub(crate) fn play(&self, stage: &mut Stage) {
        stage.wants_ids = self.body.contains("{id");
        for line in self.body.replace("\n    ", "\u{1}").lines() {
            if !line.trim().is_empty() {
                play_line(stage, &line.replace('\u{1}', "\n"));
            }
        }
    }
}

fn play_line(stage: &mut Stage, line: &str) {
    let number = line.as_bytes()[0] - b'0';
    match &line[1..] {
        " quits" => return stage.quit(number),
        " ends" => return stage.ends(number),
        _ => {}
    }
    let (head, sql) = line[1..].split_once('>').unwrap();
    let sql = sql.strip_prefix(' ').unwrap_or(sql);
    let as_text = head.starts_with(';');
    let wish = match head.trim_start_matches(';') {
        "" => Wish::Succeed,
        " count" => Wish::Counted,
        " until empty" => Wish::UntilEmpty,
        code => Wish::Fail(code.strip_prefix('!').unwrap().parse().unwrap()),
    };
    stage.conn(number);
    let mut filled = sql.to_owned();
    for (key, value) in &stage.facts {
        filled = filled.replace(&format!("{{{key}}}"), value);
    }
    stage.say(&format!("{number}{head}> {sql}"));
    if wish == Wish::UntilEmpty {
        return until_empty(stage, number, &filled);
    }
    let answer = if as_text || stage.way != Way::Prepared {
        stage.text(number, &filled)
    } else {
        prepared(stage, number, &filled)
    };
    if stage.is_direct && stage.way != Way::Prepared {
        let wanted = if let Wish::Fail(code) = wish {
            Some(code)
        } else {
            None
        };
        let is_good = answer.error == wanted && !(answer.is_ended && wanted.is_none());
        stage.expect(is_good, sql, &answer);
    }
    if wish == Wish::Counted {
        let lines = answer.lines.iter().filter(|line| !line.starts_with("row "));
        let columns = lines.filter(|line| line.starts_with("column ")).count();
        stage.say(&format!("    {columns} columns, {} rows", answer.rows));
    } else {
        stage.tell(&answer);
    }
}

/// Prepares, executes and closes; what cannot be prepared is sent as text.
fn prepared(stage: &mut Stage, number: u8, sql: &str) -> Answer {
    let mut payload = vec![code::STMT_PREPARE];
    payload.extend_from_slice(sql.as_bytes());
    let mut answer = stage.ask(number, &payload, Shape::Prepare);
    let Some(statement) = answer.statement else {
        if answer.error == Some(1295) {
            return stage.text(number, sql);
        }
        return answer;
    };
    let done = stage.ask(number, &execute(statement.id, 0, true, &[]), Shape::Query);
    answer.lines.extend(done.lines);
    answer.error = done.error;
    answer.rows = done.rows;
    answer.is_ended = done.is_ended;
    if !answer.is_ended {
        stage.ask(
            number,
            &about(code::STMT_CLOSE, statement.id),
            Shape::Nothing,
        );
    }
    answer
}

fn until_empty(stage: &mut Stage, number: u8, sql: &str) {
    let end = Instant::now() + stage.patience;
    while stage.text(number, sql).rows > 0 {
        if Instant::now() > end {
            return stage.say("    never empty");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
