//! What a process has cost so far, as `/proc` says: processor time and resident memory.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};

/// `/proc` counts in hundredths of a second on every Linux there is.
const TICK_US: f64 = 10_000.0;
/// Threads whose names begin so do a gateway's work and nothing else (`sql-0`, `sql-1`, ...).
const OWN_THREADS: &str = "sql-";
/// And those that carry other nodes' connections to their node's server.
const CARRIERS: &str = "carry-";

/// Processor time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spent {
    pub(super) user_us: f64,
    pub(super) system_us: f64,
}

impl Spent {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            user_us: self.user_us - before.user_us,
            system_us: self.system_us - before.system_us,
        }
    }

    /// Shared out among so many.
    pub(super) fn each(self, count: f64) -> Self {
        Self {
            user_us: self.user_us / count,
            system_us: self.system_us / count,
        }
    }
}

/// The part of a process that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) pid: i32,
    /// Its threads of a gateway's own; empty: all of it.
    pub(super) threads: Vec<i32>,
}

impl Part {
    /// The gateway's own threads where there are such, else the whole process.
    pub(super) fn of(pid: i32) -> Self {
        Self {
            pid,
            threads: named(pid, OWN_THREADS),
        }
    }

    /// The threads of an agent that carry other nodes' connections to its server.
    pub(super) fn carrying(pid: i32) -> Self {
        Self {
            pid,
            threads: named(pid, CARRIERS),
        }
    }

    /// How long its threads have run, in microseconds.
    pub(super) fn on_processor_us(&self) -> f64 {
        let each = self.threads.iter();
        each.filter_map(|thread| on_processor_us(self.pid, *thread))
            .sum()
    }

    /// What it has spent since it began.
    pub(super) fn spent(&self) -> Result<Spent> {
        let pid = self.pid;
        if self.threads.is_empty() {
            return self.whole();
        }
        let mut all = Spent::default();
        for thread in &self.threads {
            let spent = of(&format!("/proc/{pid}/task/{thread}/stat"))?;
            all.user_us += spent.user_us;
            all.system_us += spent.system_us;
        }
        Ok(all)
    }

    /// What each thread has spent that is not counted here; nothing where all of the process is. A gateway reaches other
    /// nodes' servers through its agent, which carries replication as well.
    pub(super) fn others(&self) -> Result<Others> {
        let mut all = Others::default();
        if self.threads.is_empty() {
            return Ok(all);
        }
        for thread in threads_of(self.pid) {
            // Why no error: a thread may end while one looks.
            if !self.threads.contains(&thread)
                && let Some(us) = on_processor_us(self.pid, thread)
            {
                all.0.insert(thread, us);
            }
        }
        ensure!(!all.0.is_empty(), "process {} has ended", self.pid);
        Ok(all)
    }

    fn whole(&self) -> Result<Spent> {
        of(&format!("/proc/{}/stat", self.pid))
    }
}

/// What each of some threads has spent since it began, in microseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Others(BTreeMap<i32, f64>);

impl Others {
    /// What they have spent since then, in microseconds. What a thread did that has ended meanwhile is not in it.
    pub(super) fn since(&self, before: &Self) -> f64 {
        let spent =
            |(thread, us): (&i32, &f64)| (us - before.0.get(thread).unwrap_or(&0.0)).max(0.0);
        self.0.iter().map(spent).sum()
    }
}

fn named(pid: i32, begin: &str) -> Vec<i32> {
    let begins = |thread: &i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm"));
        name.is_ok_and(|name| name.starts_with(begin))
    };
    threads_of(pid).filter(begins).collect()
}

fn threads_of(pid: i32) -> impl Iterator<Item = i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    let entries = entries.into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// How long a thread has run, in microseconds. Why not `stat`: its hundredths of a second are too coarse for a part that is
/// small in each round.
fn on_processor_us(pid: i32, thread: i32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
    let nanoseconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1_000.0)
}

fn of(path: &str) -> Result<Spent> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    spent_in(&text).with_context(|| format!("{path} is not as expected"))
}

/// `utime` and `stime` of a line of `/proc/PID/stat`; the program's name may hold blanks and brackets.
fn spent_in(stat: &str) -> Option<Spent> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || Some(fields.next()?.parse::<f64>().ok()? * TICK_US);
    Some(Spent {
        user_us: next()?,
        system_us: next()?,
    })
}

/// Resident memory now, in KiB.
pub(super) fn resident_kib(pid: i32) -> Result<u64> {
    memory(pid, "VmRSS:")
}

/// The most resident memory since [`forget_peak`], in KiB.
pub(super) fn peak_kib(pid: i32) -> Result<u64> {
    memory(pid, "VmHWM:")
}

/// The peak begins anew.
pub(super) fn forget_peak(pid: i32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("write {path}"))
}

fn memory(pid: i32, key: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    kib_in(&text, key).with_context(|| format!("{path} has no {key}"))
}

fn kib_in(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many files and sockets it holds open.
pub(super) fn open_files(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_when_the_name_has_brackets_then_user_and_system_are_found() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 0 10 0 0 0 123 45 0 0 20 0 1 0 99 0 0";
        let spent = spent_in(line).unwrap();
        assert_eq!((spent.user_us, spent.system_us), (1_230_000.0, 450_000.0));
        assert_eq!(spent_in("nonsense"), None);
        assert_eq!(spent_in("7 (a) S 1 7"), None);
    }

    #[test]
    fn status_when_read_then_resident_and_peak_are_told_apart() {
        let text = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kib_in(text, "VmRSS:"), Some(1_024));
        assert_eq!(kib_in(text, "VmHWM:"), Some(2_048));
        assert_eq!(kib_in("Name:\tx\n", "VmRSS:"), None);
    }

    #[test]
    fn others_when_threads_come_and_go_then_only_what_was_spent_meanwhile_counts() {
        let others = |of: &[(i32, f64)]| Others(of.iter().copied().collect());
        let before = others(&[(1, 100.0), (2, 900.0)]);
        let after = others(&[(1, 150.0), (3, 7.0)]);
        let given_anew = others(&[(1, 20.0)]);
        let spent =
            [&after, &before, &given_anew].map(|others| others.since(&before).round() as i64);
        assert_eq!(spent, [57, 0, 0]);
    }

    #[test]
    fn others_when_one_thread_is_not_its_own_then_it_is_among_them() {
        let own = i32::try_from(std::process::id()).unwrap();
        let part = Part {
            pid: own,
            threads: threads_of(own).filter(|thread| *thread != own).collect(),
        };
        assert!(!part.threads.is_empty(), "tests run in threads");
        assert!(part.others().unwrap().0.contains_key(&own));
    }

    #[test]
    fn process_when_it_has_no_threads_of_a_gateway_then_all_of_it_counts() {
        let own = i32::try_from(std::process::id()).unwrap();
        let part = Part::of(own);
        assert!(part.threads.is_empty());
        let before = part.spent().unwrap();
        assert!(part.spent().unwrap().since(before).user_us >= 0.0);
        assert!(resident_kib(own).unwrap() > 0);
    }
}
