//! Random sessions on several connections at once, run directly on a server and through two gateways whose reads go to a
//! replica: every answer must be the same, and so must see every write that was acknowledged before it.
//!
//! `DRIFT_FIRST` and `DRIFT_LAST` name other seeds than the fixed ones, `DRIFT_STEPS` another length. `drift_script.rs` says what is
//! done.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sql_gateway::Config;
use wire::command::{Shape, code};

use crate::answer::{Answer, Statement, show};
use crate::conn::{Conn, MODERN, PLAIN, Who};
use crate::drift_script::{SCHEMA, STARTS_ANEW, Step, script};
use crate::server::Server;
use crate::value::{Value, execute};
use crate::world::World;

/// Connections of one run; the last one comes by the other gateway.
pub(crate) const CONNECTIONS: usize = 3;
/// So often chance may part the transcripts of one seed.
const TRIES: usize = 4;

struct Field {
    primary: Server,
    replica: Server,
    worlds: [World; 2],
    _runtime: tokio::runtime::Runtime,
}

impl Field {
    fn new() -> Self {
        let primary = Server::start_in("a", memory());
        let replica = Server::start_in("a", memory());
        // Why no statistics: a thread of the server's own that writes them has their tables locked, and a definition that comes
        // then and may not wait gets 1205 (10.11.19).
        primary.sql(
            "SET GLOBAL binlog_format=ROW, log_bin_trust_function_creators=1, lock_wait_timeout=1, \
             innodb_lock_wait_timeout=0, innodb_stats_auto_recalc=0",
        );
        replica.replicate(&primary);
        primary.sql(SCHEMA);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let worlds = {
            let _inside = runtime.enter();
            [(); 2].map(|()| {
                let world = World::with(Config {
                    split: true,
                    prefer_replicas: true,
                    wait_max: Duration::from_secs(10),
                    ..Config::default()
                });
                world.knows("a", &primary);
                world.knows("own", &replica);
                world.route_with(1, "a", "own");
                world.teach(&primary);
                world
            })
        };
        Self {
            primary,
            replica,
            worlds,
            _runtime: runtime,
        }
    }

    /// While this runs the replica is behind again and again.
    fn hinder(&self, is_over: &AtomicBool) {
        let mut conn = open(([127, 0, 0, 1], self.replica.port).into(), 0);
        while !is_over.load(Ordering::Relaxed) {
            for sql in ["STOP SLAVE SQL_THREAD", "START SLAVE SQL_THREAD"] {
                conn.send(&[&[code::QUERY], sql.as_bytes()].concat())
                    .unwrap();
                let answer = Answer::read(&mut conn, Shape::Query);
                assert_eq!(answer.error, None, "{sql}: {:?}", answer.lines);
                std::thread::sleep(Duration::from_millis(8));
            }
        }
    }

    fn reads(&self) -> u64 {
        let reads = |world: &World| world.handle.stats().reads_on_replicas;
        self.worlds.iter().map(reads).sum()
    }

    /// The addresses of the connections.
    fn addresses(&self, is_direct: bool) -> [SocketAddr; CONNECTIONS] {
        if is_direct {
            return [([127, 0, 0, 1], self.primary.port).into(); CONNECTIONS];
        }
        let [first, second] = &self.worlds;
        [first.address, first.address, second.address]
    }

    fn run(&self, steps: &[(usize, Step)], is_direct: bool) -> Vec<String> {
        self.primary.sql(STARTS_ANEW);
        let lexicons = (!is_direct).then(|| self.worlds.each_ref().map(|it| it.handle.lexicon()));
        let mut player = Player::new(self.addresses(is_direct));
        for (number, step) in steps {
            // Why: reads go to the primary while it is not known what names mean.
            let end = Instant::now() + Duration::from_millis(20);
            while lexicons.iter().flatten().any(|it| !it.is_known()) && Instant::now() < end {
                std::thread::sleep(Duration::from_micros(500));
            }
            player.play(*number, step);
        }
        player.transcript
    }
}

fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

struct Player {
    addresses: [SocketAddr; CONNECTIONS],
    conns: Vec<Conn>,
    prepared: Vec<[Option<Statement>; 3]>,
    transcript: Vec<String>,
}

fn who(number: usize) -> Who<'static> {
    // Old clients hear less of what happens.
    Who::app(if number == 1 { PLAIN } else { MODERN })
}

fn open(address: SocketAddr, number: usize) -> Conn {
    let mut conn = Conn::open(address).unwrap();
    let answer = conn.log_in(&who(number)).unwrap();
    assert_eq!(answer[0], 0, "the login: {}", show(&answer));
    conn.file = Some(b"901\t1\tfile\n902\t2\tfile\n".to_vec());
    conn
}

impl Player {
    fn new(addresses: [SocketAddr; CONNECTIONS]) -> Self {
        let all = addresses.into_iter().enumerate();
        Self {
            addresses,
            conns: all.map(|(number, it)| open(it, number)).collect(),
            prepared: vec![[None; 3]; CONNECTIONS],
            transcript: Vec::new(),
        }
    }

    fn play(&mut self, number: usize, step: &Step) {
        self.transcript.push(format!("{number}> {step:?}"));
        match step {
            Step::Text(sql) => {
                let payload = [&[code::QUERY], sql.as_bytes()].concat();
                self.ask(number, &payload, Shape::Query);
            }
            Step::Use(database) => {
                let payload = [&[code::INIT_DB], database.as_bytes()].concat();
                self.ask(number, &payload, Shape::Simple);
            }
            Step::Prepare(slot, sql) => {
                let payload = [&[code::STMT_PREPARE], sql.as_bytes()].concat();
                let statement = self.ask(number, &payload, Shape::Prepare).statement;
                self.prepared[number][*slot] = statement;
            }
            Step::Execute(slot, value, types) => {
                if let Some(statement) = self.prepared[number][*slot] {
                    let payload = execute(statement.id, 0, *types, &[Value::Int(*value)]);
                    self.ask(number, &payload, Shape::Query);
                }
            }
            Step::Reset => {
                self.prepared[number] = [None; 3];
                self.ask(number, &[code::RESET_CONNECTION], Shape::Simple);
            }
            Step::ChangeUser => {
                self.prepared[number] = [None; 3];
                let answer = self.conns[number].change_user(&who(number)).unwrap();
                self.transcript
                    .push(format!("    changed: {:02x}", answer[0]));
            }
            Step::Again => {
                // Why: a gateway's client is gone before its locks are; others would meet them now and then.
                for sql in ["UNLOCK TABLES", "ROLLBACK", "DO RELEASE_ALL_LOCKS()"] {
                    let payload = [&[code::QUERY], sql.as_bytes()].concat();
                    self.ask(number, &payload, Shape::Query);
                }
                self.prepared[number] = [None; 3];
                let _ = self.conns[number].send(&[code::QUIT]);
                self.conns[number].is_ended(Duration::from_mins(1));
                self.conns[number] = open(self.addresses[number], number);
            }
        }
    }

    fn ask(&mut self, number: usize, payload: &[u8], shape: Shape) -> Answer {
        let conn = &mut self.conns[number];
        let answer = match conn.send(payload) {
            Ok(()) => Answer::read(conn, shape).and_hide_changes(true),
            Err(_) => Answer {
                is_ended: true,
                ..Answer::default()
            },
        };
        let mut columns = false;
        for line in &answer.lines {
            // Why not compared: the status that ends an old client's columns is not the last one it hears.
            if !columns || !line.starts_with("end ") {
                self.transcript.push(format!("    {}", without_plan(line)));
            }
            columns = line.starts_with("column ");
        }
        if answer.is_ended {
            self.transcript.push("    ended".to_owned());
            self.conns[number] = open(self.addresses[number], number);
            self.prepared[number] = [None; 3];
        }
        answer
    }
}

/// Sets what it holds when it is dropped, also by a panic.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Transcripts part by a lock that the server itself held for a moment, when one of the two definitions came.
fn is_chance(direct: &[String], gateway: &[String]) -> bool {
    const DEFINES: [&str; 5] = ["CREATE ", "DROP ", "ALTER ", "TRUNCATE ", "RENAME "];
    let both = direct.iter().zip(gateway);
    let Some(at) = both.clone().position(|(here, there)| here != there) else {
        return false;
    };
    let asked = direct[..at]
        .iter()
        .rev()
        .find(|line| !line.starts_with(' '));
    let sql = asked
        .and_then(|line| line.split_once("> Text(\""))
        .map(|(_, sql)| sql);
    let defines = sql.is_some_and(|sql| DEFINES.iter().any(|word| sql.starts_with(word)));
    let is_late = |line: &String| line.starts_with("    error 1205");
    defines && is_late(&direct[at]) != is_late(&gateway[at])
}

/// Where two transcripts part, with what that connection did since it came, and all that happened lately.
fn difference(direct: &[String], gateway: &[String]) -> Option<String> {
    let length = direct.len().max(gateway.len());
    let at = (0..length).find(|at| direct.get(*at) != gateway.get(*at))?;
    let line = |lines: &[String]| lines.get(at).map_or("-", String::as_str).to_owned();
    let asked = direct.iter().take(at + 1);
    let asked: Vec<_> = asked.filter(|line| !line.starts_with(' ')).collect();
    let own = asked.last().map_or("", |last| &last[..1]);
    let is_own = |line: &String| line.starts_with(own);
    let came = |line: &&String| is_own(line) && line.ends_with("Again");
    let begin = asked.iter().rposition(came).unwrap_or(0);
    let recent = asked.len().saturating_sub(12);
    let shown = asked.iter().enumerate().skip(begin);
    let shown = shown.filter(|(at, line)| *at >= recent || is_own(line));
    let shown: Vec<_> = shown.map(|(_, line)| line.as_str()).collect();
    Some(format!(
        "  {}\n      direct:  {}\n      gateway: {}",
        shown.join("\n  "),
        line(direct).trim(),
        line(gateway).trim()
    ))
}

/// A line of an answer without the flags that say how a server found its rows: they depend on its statistics.
fn without_plan(line: &str) -> String {
    let Some((head, tail)) = line.split_once("status ") else {
        return line.to_owned();
    };
    let (flags, rest) = tail.split_at(4);
    let flags = u16::from_str_radix(flags, 16).unwrap_or(0) & !0x0830;
    format!("{head}status {flags:04x}{rest}")
}

fn number(name: &str, default: usize) -> usize {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_sessions_when_run_through_gateways_with_a_replica_are_answered_as_by_one_server() {
    let (first, last) = (number("DRIFT_FIRST", 1), number("DRIFT_LAST", 10));
    let length = number("DRIFT_STEPS", 200);
    let field = Field::new();
    let (mut wrong, mut steps) = (Vec::new(), 0);
    for seed in first..=last {
        let script = script(seed, length);
        let (mut direct, mut gateway) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            steps += script.len();
            direct = field.run(&script, true);
            let is_over = AtomicBool::new(false);
            gateway = std::thread::scope(|scope| {
                scope.spawn(|| field.hinder(&is_over));
                let _ends = Ends(&is_over);
                field.run(&script, false)
            });
            if !is_chance(&direct, &gateway) {
                break;
            }
            println!("seed {seed}: a definition met a lock, once more");
        }
        if let Some(text) = difference(&direct, &gateway) {
            println!("seed {seed}:\n{text}");
            wrong.push(seed);
        }
    }
    let reads = field.reads();
    println!("{steps} steps, {reads} reads on the replica");
    let status = field.replica.sql("SHOW SLAVE STATUS");
    let errors: String = status
        .split('\t')
        .filter(|it| it.contains("Error "))
        .collect();
    assert_eq!(errors, "", "replication goes on");
    assert!(wrong.is_empty(), "seeds {wrong:?}");
    assert!(reads * 8 > steps as u64, "few reads go to the replica");
}

#[test]
fn transcripts_when_one_definition_alone_met_a_lock_part_by_chance() {
    let parts = |sql: &str, direct: &str, gateway: &str| {
        let lines = |answer: &str| vec![format!("0> Text(\"{sql}\")"), format!("    {answer}")];
        is_chance(&lines(direct), &lines(gateway))
    };
    let (ok, late) = ("ok 0 id 0", "error 1205 HY000 Lock wait timeout exceeded");
    for sql in [
        "TRUNCATE log",
        "CREATE OR REPLACE TABLE x2 AS SELECT id, k FROM t",
    ] {
        assert!(parts(sql, late, ok) && parts(sql, ok, late));
        assert!(!parts(sql, late, late));
        assert!(!parts(sql, ok, "error 1927 70100 lost") && !parts(sql, ok, "ok 1 id 0"));
    }
    assert!(!parts("UPDATE t SET k = 1", late, ok));
    assert!(!parts("SELECT 1; TRUNCATE log", late, ok));
    assert!(!is_chance(&[late.to_owned()], &[ok.to_owned()]));
}
