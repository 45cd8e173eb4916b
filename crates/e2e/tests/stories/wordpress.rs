//! WordPress on both data nodes, through their gateways: installed by its own installer, used on one and
//! read on the other at once; then its visitors read and comment during a switchover and after the primary's
//! server was killed. No page says that something is wrong with the database, and every comment is there once.
//!
//! It needs PHP, and WordPress unpacked (`MAINSTAY_WORDPRESS`, see `xtask/src/wordpress.rs`).
//! With `MAINSTAY_STORY_LONG=1` more visitors without rest, and the same misfortunes again and again.

mod browser;
mod site;
mod visit;

use std::{
    env,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use trial::Fault;

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};
use site::Site;
use visit::{Author, Count};

const NAME: &str = "wordpress";
/// Comments by the visitors of each site that count as "they go on".
const GO_ON: usize = 6;
/// Between two visits: a light load.
const REST: Duration = Duration::from_millis(300);

async fn play(stage: &Stage, unpacked: PathBuf) -> Result<Measured> {
    let sites = site::open(&stage.cluster, &unpacked, &stage.everyone()).await?;
    let (here, there) = (&sites[0], &sites[1]);
    let author = Arc::new(Author::install(here).await?);
    author.logs_in(there)?;
    let post = author.writes(
        here,
        there,
        "Mainstay of the bay",
        "Ropes that hold: é😀 'quoted'",
    )?;
    author.uploads(there, here)?;
    author.finds(there, "mainstay+bay", "Mainstay of the bay")?;
    let (at, written) = struck(stage, &sites, &author, &post).await?;
    for site in &sites {
        author.reads_all(site, &post, &written)?;
        let complaints = site.complaints();
        ensure!(
            complaints.is_empty(),
            "{} logged {complaints:#?}",
            site.node
        );
    }
    Ok(Measured::new(at, stage.everyone()))
}

/// Visitors on both sites, a switchover, a killed server; when that began, and their comments.
async fn struck(
    stage: &Stage,
    sites: &[Arc<Site>],
    author: &Arc<Author>,
    post: &str,
) -> Result<(Instant, Vec<String>)> {
    let at = Instant::now();
    let mut visitors = Vec::new();
    let mut counts = Vec::new();
    let hurry = if is_long() { 3 } else { 1 };
    for number in 0..2 * hurry {
        let count = Arc::new(Count::new(number, REST / hurry.pow(2)));
        counts.push(Arc::clone(&count));
        let (author, post) = (Arc::clone(author), post.to_owned());
        let (own, other) = if number % 2 == 0 { (0, 1) } else { (1, 0) };
        let (here, there) = (Arc::clone(&sites[own]), Arc::clone(&sites[other]));
        visitors.push(tokio::task::spawn_blocking(move || {
            visit::comments(&author, (&here, &there), &post, &count)
        }));
    }
    let rounds = if is_long() { 4 } else { 1 };
    let mut happened = Ok(());
    for _ in 0..rounds {
        if happened.is_ok() {
            happened = misfortunes(stage, &counts).await;
        }
    }
    for count in &counts {
        count.end();
    }
    let mut written = Vec::new();
    for visitor in visitors {
        written.extend(visitor.await??);
    }
    happened?;
    println!("story {NAME}: {} comments", written.len());
    Ok((at, written))
}

/// A switchover, and the new primary's server killed; visitors go on after each.
async fn misfortunes(stage: &Stage, counts: &[Arc<Count>]) -> Result<()> {
    visit::go_on(counts, GO_ON).await?;
    let cluster = &stage.cluster;
    let first = cluster.primary().await?;
    let all = stage.everyone();
    let replica = all
        .iter()
        .find(|name| **name != first)
        .context("no replica")?;
    cluster.switchover(replica).await?;
    visit::go_on(counts, GO_ON).await?;
    cluster.wait_settled(LIMIT).await?;
    cluster.inject(replica, Fault::KillServer)?;
    let is_back = |status: &trial::Status| status.primary.as_ref() == Some(&first);
    cluster
        .wait_until("the first primary took over again", LIMIT, is_back)
        .await?;
    visit::go_on(counts, GO_ON).await?;
    cluster.wait_settled(LIMIT).await?;
    Ok(())
}

fn is_long() -> bool {
    env::var_os("MAINSTAY_STORY_LONG").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn wordpress_when_the_primary_changes_then_no_page_fails_and_every_comment_is_there_once() {
    let Some(unpacked) = env::var_os("MAINSTAY_WORDPRESS").map(PathBuf::from) else {
        println!("story {NAME}: skipped, no WordPress (`cargo xtask suites wordpress` gets it)");
        return;
    };
    tell(NAME, Shape::TwoAndWitness, async |stage| {
        play(stage, unpacked).await.context("WordPress")
    })
    .await;
}
