//! The doors of one gateway: what it listens on now. Doors come and go while it serves, and another process can take
//! them over with the clients that stand before them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::config::Config;
use crate::error::GatewayError;
use crate::listen::{self, Inherited, Listener};
use crate::manner::Spot;

struct Door {
    place: Spot,
    /// Until somebody accepts at it.
    listener: Option<Listener>,
    /// The same socket, for another process.
    copy: OwnedFd,
    closed: watch::Sender<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Bound, and nobody accepts yet.
    Bound,
    Open,
    /// Closed, or in another process' hands.
    Over,
}

struct State {
    doors: Vec<Door>,
    phase: Phase,
}

/// All doors. The paths of unix sockets are removed when they close.
pub(crate) struct Doors(Mutex<State>);

/// What accepts at a door, where that is, and until this becomes true.
pub(crate) type Entrance = (Listener, Spot, watch::Receiver<bool>);

impl Doors {
    /// Binds every address and socket of the configuration, but for those that were inherited. What was inherited and is
    /// not named is closed.
    pub(crate) fn bind(config: &Config, inherited: Inherited) -> Result<Self, GatewayError> {
        let state = State {
            doors: bind(places(config)?, inherited)?,
            phase: Phase::Bound,
        };
        Ok(Self(Mutex::new(state)))
    }

    /// The TCP addresses.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let state = self.lock();
        let local = |door: &Door| socket2::SockRef::from(&door.copy).local_addr().ok();
        let all = state.doors.iter().filter_map(local);
        all.filter_map(|address| address.as_socket()).collect()
    }

    /// The gateway serves: what accepts at each door.
    pub(crate) fn open(&self) -> Vec<Entrance> {
        let mut state = self.lock();
        if state.phase == Phase::Bound {
            state.phase = Phase::Open;
        }
        state.entrances()
    }

    /// Makes the doors those of this configuration: nothing is changed when one of them cannot be. Returns what accepts at
    /// the new ones.
    pub(crate) fn change(&self, config: &Config) -> Result<Vec<Entrance>, GatewayError> {
        let mut wanted = places(config)?;
        let mut state = self.lock();
        if state.phase == Phase::Over {
            return Ok(Vec::new());
        }
        let kept = wanted.clone();
        wanted.retain(|place| state.doors.iter().all(|door| door.place != *place));
        let new = bind(wanted, Inherited::default())?;
        let (stay, go) = std::mem::take(&mut state.doors)
            .into_iter()
            .partition(|door| kept.contains(&door.place));
        state.doors = stay;
        for door in go {
            door.close();
        }
        state.doors.extend(new);
        if state.phase == Phase::Open {
            return Ok(state.entrances());
        }
        Ok(Vec::new())
    }

    /// The sockets, for another process.
    pub(crate) fn lend(&self) -> io::Result<Vec<OwnedFd>> {
        let state = self.lock();
        let copies = state.doors.iter().map(|door| door.copy.try_clone());
        copies.collect()
    }

    /// Another process has them: nobody accepts here any more, and the paths stay.
    pub(crate) fn hand_over(&self) {
        let mut state = self.lock();
        state.phase = Phase::Over;
        for door in state.doors.drain(..) {
            door.closed.send_replace(true);
        }
    }

    /// Nobody accepts any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.phase = Phase::Over;
        for door in state.doors.drain(..) {
            door.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn entrances(&mut self) -> Vec<Entrance> {
        let doors = self.doors.iter_mut();
        let open = doors.filter_map(|door| {
            Some((
                door.listener.take()?,
                door.place.clone(),
                door.closed.subscribe(),
            ))
        });
        open.collect()
    }
}

impl Door {
    fn close(self) {
        self.closed.send_replace(true);
        if let Spot::Unix(path) = &self.place {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn places(config: &Config) -> Result<Vec<Spot>, GatewayError> {
    let reads = &config.read_only;
    let tcp = config.listen.iter().chain(&reads.listen);
    let unix = config.sockets.iter().chain(&reads.sockets);
    let tcp = tcp.copied().map(Spot::Tcp);
    let places: Vec<Spot> = tcp.chain(unix.cloned().map(Spot::Unix)).collect();
    if places.is_empty() {
        return Err(GatewayError::NothingToListenOn);
    }
    Ok(places)
}

/// All or none of them.
fn bind(places: Vec<Spot>, mut inherited: Inherited) -> Result<Vec<Door>, GatewayError> {
    let mut doors: Vec<Door> = Vec::new();
    for place in places {
        match door(place, &mut inherited) {
            Ok(door) => doors.push(door),
            Err(error) => {
                doors.into_iter().for_each(Door::close);
                return Err(error);
            }
        }
    }
    Ok(doors)
}

fn door(place: Spot, inherited: &mut Inherited) -> Result<Door, GatewayError> {
    let listener = match &place {
        Spot::Tcp(address) => {
            let bound = inherited
                .tcp(*address)
                .map_or_else(|| listen::bind_tcp(*address), Ok);
            Listener::Tcp(bound.map_err(|source| GatewayError::Listen {
                address: *address,
                source,
            })?)
        }
        Spot::Unix(path) => Listener::Unix(match inherited.unix(path) {
            Some(listener) => listener,
            None => listen::bind_unix(path)?,
        }),
    };
    let copy = match &listener {
        Listener::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
        Listener::Unix(listener) => listener.as_fd().try_clone_to_owned(),
    };
    Ok(Door {
        place,
        listener: Some(listener),
        copy: copy.map_err(GatewayError::Loop)?,
        closed: watch::Sender::new(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    fn config(listen: &[SocketAddr], sockets: &[PathBuf]) -> Config {
        Config {
            listen: listen.to_vec(),
            sockets: sockets.to_vec(),
            ..Config::default()
        }
    }

    #[test]
    fn doors_when_handed_over_then_nobody_before_them_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sql.sock");
        let any = config(
            &["127.0.0.1:0".parse().unwrap()],
            std::slice::from_ref(&path),
        );
        let old = Doors::bind(&any, Inherited::default()).unwrap();
        let address = old.addresses()[0];
        let (_tcp, _unix) = (
            TcpStream::connect(address).unwrap(),
            UnixStream::connect(&path).unwrap(),
        );
        let lent = Inherited::from(old.lend().unwrap());
        let new = Doors::bind(&config(&[address], std::slice::from_ref(&path)), lent).unwrap();
        old.hand_over();
        drop(old);
        assert_eq!(new.addresses(), [address]);
        let entrances = new.open();
        assert_eq!(entrances.len(), 2);
        for (listener, ..) in &entrances {
            listener.accept().unwrap();
        }
        UnixStream::connect(&path).unwrap();
        drop(new);
        assert!(!path.exists());
    }

    #[test]
    fn doors_when_one_of_the_new_ones_cannot_be_then_all_is_as_before() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one.sock"), dir.path().join("other.sock"));
        let doors = Doors::bind(
            &config(&[], std::slice::from_ref(&one)),
            Inherited::default(),
        )
        .unwrap();
        let entrances = doors.open();
        let bad = config(&[taken.local_addr().unwrap()], std::slice::from_ref(&other));
        assert!(doors.change(&bad).is_err());
        assert!(one.exists() && !other.exists());
        assert!(!*entrances[0].2.borrow());
        let both = config(&[], &[one.clone(), other.clone()]);
        assert_eq!(doors.change(&both).unwrap().len(), 1);
        let last = config(&[], std::slice::from_ref(&other));
        assert!(doors.change(&last).unwrap().is_empty());
        assert!(!one.exists() && other.exists() && *entrances[0].2.borrow());
    }
}
