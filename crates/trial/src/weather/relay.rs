//! Carries frames between macvtap device files, in a thread of its own that sleeps while nothing
//! is due and ends when the relay is dropped.

use std::{
    fs::{File, OpenOptions},
    io::{self, PipeReader, PipeWriter, Read, Write},
    num::NonZeroU64,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
    thread::set_current_timer_slack,
};

use super::{
    Weather,
    line::{HEADER_BYTES, Line},
};
use crate::{Error, Result};

/// The greatest frame that the kernel hands over at once: 64 KiB of payload and the headers.
const FRAME_BYTES: usize = HEADER_BYTES + 65_536 + 256;
/// Frames read from one port before the next is looked at.
const TURN: usize = 64;

/// A switch in user space between some devices. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    line: Arc<Mutex<Line>>,
    /// The thread ends when this is closed.
    alive: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts to carry between these macvtap links of this network namespace.
    ///
    /// # Errors
    /// A device cannot be opened.
    pub(crate) fn start(links: &[String], weather: Weather) -> Result<Self> {
        let ports = links.iter().map(|link| open(link)).collect::<Result<_>>()?;
        let not_run = |source| Error::NotRun {
            command: "start a relay of packets".into(),
            source,
        };
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| not_run(io::Error::other(error)))?;
        let line = Line::new(links.len(), weather, u64::from_le_bytes(seed));
        let line = Arc::new(Mutex::new(line));
        let (ended, alive) = io::pipe().map_err(not_run)?;
        let switch = Switch {
            line: Arc::clone(&line),
            ports,
            ended,
        };
        let thread = thread::Builder::new()
            .name("weather".into())
            .spawn(move || switch.carry())
            .map_err(not_run)?;
        Ok(Self {
            line,
            alive: Some(alive),
            thread: Some(thread),
        })
    }

    /// What happens to frames from now on.
    pub(crate) fn set(&self, weather: Weather) {
        lock(&self.line).set(weather);
    }

    /// How many frames were carried, and how many lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        lock(&self.line).counts()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.alive.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The device file of a macvtap: `/dev/tap` and the link's number.
fn open(link: &str) -> Result<File> {
    let number = PathBuf::from(format!("/sys/class/net/{link}/ifindex"));
    let read = std::fs::read_to_string(&number).map_err(Error::file("read", &number))?;
    let device = Path::new("/dev").join(format!("tap{}", read.trim()));
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(&device)
        .map_err(Error::file("open", &device))
}

/// What the thread has.
struct Switch {
    line: Arc<Mutex<Line>>,
    ports: Vec<File>,
    ended: PipeReader,
}

impl Switch {
    fn carry(&self) {
        // Why: by itself the kernel may wake a thread 50 us late. Where it does not do that, every frame is so much later.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut buffer = vec![0; FRAME_BYTES];
        loop {
            let due = self.send();
            match self.wait(due) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, "packets between the nodes are no longer carried");
                    return;
                }
            }
            for port in 0..self.ports.len() {
                self.hear(port, &mut buffer);
            }
        }
    }

    /// Hands over what is due; returns when the next one will be.
    fn send(&self) -> Option<Instant> {
        let mut line = lock(&self.line);
        while let Some(frame) = line.pop(Instant::now()) {
            // A cable that is pulled takes nothing: the frame is lost.
            let _ = (&self.ports[frame.to]).write(&frame.bytes);
        }
        line.next_due()
    }

    /// Waits until a frame came or is due; false if it is the end.
    fn wait(&self, due: Option<Instant>) -> io::Result<bool> {
        let mut all: Vec<PollFd<'_>> = self
            .ports
            .iter()
            .map(|port| PollFd::new(port, PollFlags::IN))
            .collect();
        all.push(PollFd::new(&self.ended, PollFlags::IN));
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut all, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(all.last().is_none_or(|end| end.revents().is_empty()))
    }

    /// Takes what has come from a port.
    fn hear(&self, port: usize, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Ok(read) = (&self.ports[port]).read(buffer) else {
                return;
            };
            lock(&self.line).take(port, &buffer[..read], Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
        time::Duration,
    };

    use super::*;
    use crate::{Layout, Place, namespace::Network};

    const LIMIT: Duration = Duration::from_mins(1);
    const LATE: Duration = Duration::from_millis(100);

    /// Does it in a thread that lives in this namespace.
    fn inside<T: Send + 'static>(
        space: String,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        thread::spawn(move || {
            Place::Namespace(space).enter().unwrap();
            act()
        })
    }

    fn echo(listener: &TcpListener) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut back = stream.try_clone().unwrap();
        let _ = io::copy(&mut stream, &mut back);
    }

    /// How long so many bytes took there and back.
    fn round_trip(stream: &mut TcpStream, bytes: usize) -> Duration {
        let start = Instant::now();
        let sent = vec![7; bytes];
        let mut writer = stream.try_clone().unwrap();
        let write = thread::spawn({
            let sent = sent.clone();
            move || writer.write_all(&sent)
        });
        let mut came = vec![0; bytes];
        stream.read_exact(&mut came).unwrap();
        write.join().unwrap().unwrap();
        assert_eq!(came, sent);
        start.elapsed()
    }

    #[test]
    fn connection_when_the_weather_changes_then_it_lives_and_is_as_slow_as_told() {
        if Layout::best() == Layout::Loopback {
            return;
        }
        // Why such a number: the clusters of other tests in this process count from 0.
        let mut network = Network::new(77).unwrap();
        let there = SocketAddr::from((Ipv4Addr::new(10, 77, 0, 1), 4_000));
        let first = network.add("one", Ipv4Addr::new(10, 77, 0, 1)).unwrap();
        let second = network.add("two", Ipv4Addr::new(10, 77, 0, 2)).unwrap();
        let listen = inside(first, move || TcpListener::bind(there).unwrap());
        let listener = listen.join().unwrap();
        let server = thread::spawn(move || echo(&listener));
        let connect = inside(second, move || {
            TcpStream::connect_timeout(&there, LIMIT).unwrap()
        });
        let mut stream = connect.join().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        round_trip(&mut stream, 10);
        assert_eq!(network.weather_counts(), None);

        network.set_weather(Weather::new(LATE, 0)).unwrap();
        assert!(round_trip(&mut stream, 10) >= 2 * LATE);
        network.set_weather(Weather::new(LATE / 50, 5)).unwrap();
        round_trip(&mut stream, 300_000);
        let (carried, lost) = network.weather_counts().unwrap();
        assert!(carried > 400 && lost > 0, "{carried} carried, {lost} lost");
        network.set_weather(Weather::new(LATE, 0)).unwrap();
        network.set_plugged("one", false).unwrap();
        network.set_plugged("one", true).unwrap();
        network.set_silent("two", true).unwrap();
        network.set_silent("two", false).unwrap();
        assert!(round_trip(&mut stream, 10) >= 2 * LATE, "cables as ever");

        network.clear_weather().unwrap();
        assert_eq!(network.weather_counts(), None);
        round_trip(&mut stream, 300_000);
        drop(stream);
        server.join().unwrap();
    }
}
