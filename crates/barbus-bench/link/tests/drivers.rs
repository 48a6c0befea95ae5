//! The drivers verify every record: a lost or changed bar fails the measure.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use barbus_bench_link::{
    AnyPeer, Bar, Figures, Job, Measure, Peer, Receiver, Role, Scale, Sender, Wait, prepare, until,
};

/// A socket, and the number of a bar that is lost or changed on the way.
#[derive(Clone, Copy, Default)]
struct Socket {
    changed: Option<u64>,
    lost: Option<u64>,
}

struct Out(Socket, UnixListener, Option<UnixStream>);
struct In(UnixStream);

impl Peer for Socket {
    type Sender = Out;
    type Receiver = In;

    fn name(&self) -> &'static str {
        "socket"
    }

    fn settings(&self) -> String {
        String::new()
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay, Measure::OneByOne]
    }

    fn scale(&self) -> Scale {
        Scale { spinning: 100, asleep: 100, one_by_one: 1_000, batched: 1_000 }
    }

    fn sender(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<Out> {
        Ok(Out(*self, UnixListener::bind(directory.join(name))?, None))
    }

    fn receiver(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<In> {
        Ok(In(until(|| UnixStream::connect(directory.join(name)))?))
    }
}

impl Sender for Out {
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        if self.2.is_none() {
            self.2 = Some(self.1.accept()?.0);
        }
        let mut bytes = Bar::number(n).bytes();
        if self.0.changed == Some(n) {
            bytes[40] ^= 1;
        }
        if self.0.lost != Some(n) {
            self.2.as_mut().expect("accepted").write_all(&bytes)?;
        }
        Ok(())
    }
}

impl Receiver for In {
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        let mut bytes = [0; Bar::BYTES];
        self.0.read_exact(&mut bytes)?;
        Bar::from_bytes(&bytes)?.check(next).map(|()| 1)
    }
}

/// Both sides, in threads.
fn run(socket: Socket, measure: Measure) -> (anyhow::Result<Option<Figures>>, anyhow::Result<Option<Figures>>) {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path()).unwrap();
    let job = |role| Job { peer: "socket".into(), measure, role, directory: directory.path().to_owned() };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| socket.run(&job(Role::Second)));
        (socket.run(&job(Role::First)), second.join().unwrap())
    })
}

#[test]
fn unchanged_bars_are_measured() {
    let (first, second) = run(Socket::default(), Measure::OneWay);
    assert!(matches!(first.unwrap(), Some(Figures::OneWay(times)) if 0.0 < times.p50 && times.p50 <= times.max));
    assert_eq!(second.unwrap(), None);
    let (first, second) = run(Socket::default(), Measure::OneByOne);
    assert!(matches!(first.unwrap(), Some(Figures::Rate { bars: 1_000, per_second }) if per_second > 0.0));
    assert_eq!(second.unwrap(), None);
}

#[test]
fn a_bar_that_was_changed_fails_the_measure() {
    let (first, second) = run(Socket { changed: Some(500), lost: None }, Measure::OneByOne);
    assert!(second.unwrap_err().to_string().starts_with("bar 500 arrived as"));
    first.unwrap_err();
}

#[test]
fn a_bar_that_was_lost_fails_the_measure() {
    let (first, second) = run(Socket { changed: None, lost: Some(500) }, Measure::OneByOne);
    assert!(second.unwrap_err().to_string().starts_with("bar 500 arrived as"));
    first.unwrap_err();
}
