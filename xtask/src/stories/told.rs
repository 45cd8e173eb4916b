//! A story that was told: how it ended, why it failed, and the table of all.

use std::time::Duration;

use anyhow::{Result, bail};

use super::Layout;
use crate::gate::in_words;
use crate::weather;

/// So many lines of why a story failed are said again at the end.
const CAUSE_LINES: usize = 20;
/// How a story ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Passed,
    Skipped,
    Failed,
    /// Took too long, and passed when it was told once more.
    Flaky,
}

/// A story that was told.
pub(super) struct Told {
    pub(super) name: String,
    pub(super) layout: Layout,
    pub(super) end: End,
    pub(super) time: Duration,
    /// Why it failed, or failed the first time, in its own words; empty when it did not.
    pub(super) why: String,
}

impl Told {
    pub(super) fn is_slow(&self) -> bool {
        self.end == End::Failed && weather::is_slowness(&self.why)
    }

    /// This was told because the first time took too long.
    pub(super) fn once_more(mut self, first: String) -> Self {
        if self.end == End::Passed {
            (self.end, self.why) = (End::Flaky, first);
        }
        self
    }
}

/// The word of the table.
pub(super) fn word(end: End) -> &'static str {
    match end {
        End::Passed => "ok",
        End::Skipped => "skipped",
        End::Failed => "FAILED",
        End::Flaky => "FLAKY",
    }
}

/// What a failed story said of itself: the words of its panic, and a few lines after them.
pub(super) fn cause(said: &str) -> String {
    let lines = said.lines();
    let from_panic = lines.skip_while(|line| !line.contains("panicked at "));
    let words = from_panic.take_while(|line| !line.starts_with("note: ") && !line.is_empty());
    words.take(CAUSE_LINES).collect::<Vec<_>>().join("\n")
}

/// What a story says itself; the test harness writes its own words before it in the same line.
pub(super) fn own_words(line: &str) -> Option<&str> {
    let own = line
        .strip_prefix("test ")
        .and_then(|line| line.split_once(" ... "));
    let line = own.map_or(line, |(_, own)| own);
    line.starts_with("story ").then_some(line)
}

/// Prints the table of all; an error when one failed.
pub(super) fn conclude(all: &[Told]) -> Result<()> {
    println!("\n{:<12}{:<9}{:>12}  STORY", "LAYOUT", "RESULT", "TIME");
    for Told {
        name,
        layout,
        end,
        time,
        ..
    } in all
    {
        let time = in_words(*time);
        println!("{:<12}{:<9}{time:>12}  {name}", layout.word(), word(*end));
    }
    let count = |wanted| all.iter().filter(|told| told.end == wanted).count();
    let total: Duration = all.iter().map(|told| told.time).sum();
    let (passed, skipped, failed) = (count(End::Passed), count(End::Skipped), count(End::Failed));
    let flaky = count(End::Flaky);
    println!(
        "{passed} passed, {flaky} passed the second time, {skipped} skipped, {failed} failed, {}",
        in_words(total)
    );
    for told in all.iter().filter(|told| !told.why.is_empty()) {
        println!("\n{} {}:\n{}", told.name, word(told.end), told.why);
    }
    if all.is_empty() {
        bail!("there is no such story");
    }
    if failed > 0 {
        let names = all.iter().filter(|told| told.end == End::Failed);
        let names: Vec<String> = names
            .map(|told| format!("{} ({})", told.name, told.layout.word()))
            .collect();
        bail!("failed: {}", names.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_when_a_story_panicked_then_its_words_without_its_logs() {
        let said = "---- the end of agent.log\nERROR\nthread 'x' panicked at stage.rs:1:2:\nstory x: 1 lost\nits files are here\nnote: run with\n\nfailures:";
        let words = "thread 'x' panicked at stage.rs:1:2:\nstory x: 1 lost\nits files are here";
        assert_eq!(cause(said), words);
        assert_eq!(cause("killed"), "");
    }

    #[test]
    fn own_words_when_the_harness_begins_the_line_then_only_the_storys_remain() {
        let line = "test cable::pulled ... story cable: gap 2 ms";
        assert_eq!(own_words(line), Some("story cable: gap 2 ms"));
        assert_eq!(
            own_words("story a: skipped, b"),
            Some("story a: skipped, b")
        );
        assert_eq!(own_words("test story::a ... ok"), None);
    }
}
