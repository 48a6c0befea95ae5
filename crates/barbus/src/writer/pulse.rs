//! The writer's pulse: a thread that says that the writer lives and puts the ring on disk at the interval set.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use barbus_ring::Archivist;
use jiff::Timestamp;

const BEAT: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Pulse {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    pub(crate) fn start(archivist: Archivist, sync: Duration) -> Self {
        let (stop, stopped) = channel();
        let beat = move || {
            let mut synced = Instant::now();
            let mut commits = None;
            loop {
                archivist.heartbeat(Timestamp::now().as_nanosecond() as u64);
                match stopped.recv_timeout(BEAT.min(sync.max(Duration::from_millis(1)))) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
                if synced.elapsed() < sync {
                    continue;
                }
                let seen = Some((archivist.ring().commits(), archivist.ring().status().next_seq));
                if seen != commits {
                    // A disk that refuses is tried again at the next interval; the durable cursor just stays where it was.
                    commits = if archivist.sync().is_ok() { seen } else { None };
                    synced = Instant::now();
                }
            }
            let _ = archivist.sync();
            archivist.heartbeat(0);
        };
        let thread =
            std::thread::Builder::new().name("barbus-pulse".into()).spawn(beat).expect("a thread can be started");
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
