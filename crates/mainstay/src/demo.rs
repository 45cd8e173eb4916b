//! The demonstration: a cluster on trial before the reader's eyes. It knows the product only by its
//! contract, as `trial` does; nothing here is used by an agent.

mod board;
mod breaker;
mod screen;
mod stage;
mod summary;

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use trial::{Builder, Cluster, History, Layout, Limits, Load, Plan};

use crate::output::{Exit, Failure, Output, Result};
use board::Board;
use screen::Screen;
use stage::Stage;
use summary::Summary;

/// How long the cluster may take to be protected for the first time.
const READY_LIMIT: Duration = Duration::from_mins(3);
/// The accounts of the load's bank.
const ACCOUNTS: u32 = 20;

/// What shall happen.
pub(crate) struct Script {
    /// Where; a temporary directory when none is named.
    pub(crate) dir: Option<PathBuf>,
    /// Servers with data.
    pub(crate) nodes: usize,
    /// How long the load runs.
    pub(crate) length: Duration,
    /// Between two faults; zero: none.
    pub(crate) between_faults: Duration,
}

/// Runs it to its end or to Ctrl-C; everything is ended either way.
pub(crate) async fn run(output: Output, script: Script) -> Result<Exit> {
    let stage = Stage::set(script.dir.as_deref())?;
    let played = tokio::select! {
        played = play(output, &script, &stage) => played,
        interrupted = interrupt() => {
            interrupted?;
            output.talk("interrupted: everything is ended");
            return Ok(Exit::Interrupted);
        }
    };
    let summary = played?;
    summary.print(output)?;
    if summary.passed {
        return Ok(Exit::Done);
    }
    stage.keep();
    Err(
        Failure::new("the demonstration failed: see above").hint(format!(
            "logs and data are kept in `{}`",
            stage.dir().display()
        )),
    )
}

async fn play(output: Output, script: &Script, stage: &Stage) -> Result<Summary> {
    let screen = Screen::new(output, script.length);
    screen.say(&format!(
        "starting {} servers and a witness in `{}`",
        script.nodes,
        stage.dir().display()
    ));
    let binary = std::env::current_exe().map_err(Failure::doing("find this program"))?;
    let builder = Builder::new(binary, stage.dir())
        .data_nodes(script.nodes)
        .layout(Layout::Loopback);
    let cluster = builder
        .start()
        .await
        .map_err(|error| failure(stage, &error))?;
    let protected = cluster.wait_protected(READY_LIMIT).await;
    protected.map_err(|error| failure(stage, &error))?;
    screen.say("the cluster is protected; the load begins");
    let (history, board) = perform(script, stage, &cluster, &screen).await?;
    screen.say("the load has ended; every server is read and compared");
    let verdict = cluster.judge(&history, Limits::default()).await;
    let verdict = verdict.map_err(|error| failure(stage, &error))?;
    let summary = Summary::of(&board, &history, &verdict);
    cluster.stop().await;
    Ok(summary)
}

/// The load, the faults and the table, for the length of the script.
async fn perform(
    script: &Script,
    stage: &Stage,
    cluster: &Cluster,
    screen: &Screen,
) -> Result<(History, Board)> {
    let failed = |error: trial::Error| failure(stage, &error);
    let names: Vec<&str> = cluster
        .nodes()
        .iter()
        .filter(|node| !node.is_witness())
        .map(trial::Node::name)
        .collect();
    let account = cluster.prepare_load(ACCOUNTS).await.map_err(failed)?;
    let gateways = cluster.gateways(&names, &account).map_err(failed)?;
    let load = Load::start(gateways, Plan::default()).map_err(failed)?;
    let board = Board::default();
    tokio::select! {
        broken = breaker::run(script, cluster, &board, screen) => broken.map_err(failed)?,
        () = screen.follow(&load, &board) => {}
    }
    let history = load.finish().await.map_err(failed)?;
    Ok((history, board))
}

/// A trial that could not go on; what it started ends with it, its files stay.
fn failure(stage: &Stage, error: &trial::Error) -> Failure {
    stage.keep();
    let failure = Failure::new("the demonstration could not go on").cause(error);
    failure.hint(format!(
        "logs are kept in `{}`, one `agent.log` per node",
        stage.dir().display()
    ))
}

async fn interrupt() -> Result {
    let listen = |kind| signal(kind).map_err(Failure::doing("listen for signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
