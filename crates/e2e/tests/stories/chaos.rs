//! Random misfortunes under load, one after the other, each healed before the next: whatever the
//! order, nothing acknowledged is lost and everything heals. A minute for each shape; `cargo xtask
//! chaos` runs the same for as long as one likes.
//!
//! `MAINSTAY_CHAOS_SEED` chooses other misfortunes, `MAINSTAY_CHAOS_MINUTES` makes it longer.

use std::{env, time::Duration};

use e2e::{Ground, Stop, chaos};

use crate::stage::{ALONE, layout, program, show_logs};

/// Unless another one is asked for, so that the same tree meets the same misfortunes.
const SEED: u64 = 20_261_121;

#[tokio::test(flavor = "multi_thread")]
async fn misfortunes_when_they_come_at_random_then_everything_heals() {
    story("chaos", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn misfortunes_when_they_come_at_random_among_three_then_everything_heals() {
    story("chaos, three nodes", 3).await;
}

async fn story(name: &str, nodes: usize) {
    let _alone = ALONE.lock().await;
    trial::end_on_interrupt();
    let told = |key: &str| env::var(key).ok()?.parse::<u64>().ok();
    let made = tempfile::Builder::new().prefix("chaos-").tempdir();
    let dir = made.unwrap_or_else(|error| panic!("story {name}: make a directory: {error}"));
    let ground = Ground {
        program: program().unwrap_or_else(|error| panic!("story {name}: {error:#}")),
        dir: dir.path().to_path_buf(),
        nodes,
        layout: layout(),
        disk_mib: None,
    };
    let wish = chaos::Wish {
        seed: told("MAINSTAY_CHAOS_SEED").unwrap_or(SEED),
        from: 0,
        length: Duration::from_secs(60 * told("MAINSTAY_CHAOS_MINUTES").unwrap_or(1)),
        check_every: Duration::from_mins(10),
        only: Vec::new(),
    };
    let say = |line: &str| println!("  {line}");
    let result = chaos::run(&ground, &wish, &Stop::never(), &say).await;
    let report = match result {
        Ok(report) if report.is_good() => report,
        failed => {
            let kept = dir.keep();
            show_logs(&kept);
            let said = match failed {
                Ok(report) => report.to_string(),
                Err(error) => format!("{error:#}"),
            };
            panic!("story {name}: {said}\nits files are in {}", kept.display());
        }
    };
    println!("{report}");
    println!("story {name}: {}", report.line());
}
