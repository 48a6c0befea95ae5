//! The syncer: a thread that syncs the ring to disk, at the configured interval and on request.
//!
//! One sync serves every request made before it began; the next one serves the requests made
//! meanwhile. No thread holds the writer while it waits for a sync.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use barbus::internal::{Backoff, Monitor};
use barbus::protocol::TaskStat;

use crate::failure::{Failure, FailureLog};
use crate::heartbeat::HEARTBEAT;

/// Pauses after a failed sync that a thread waits for.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the syncer needs of a ring. Tests implement it with a disk that can fail.
pub(crate) trait SyncTarget: Send + 'static {
    /// The sequence number of the next row, and the count of commits and day closes.
    fn progress(&mut self) -> (u64, u32);
    /// Syncs everything to disk that was committed before the call.
    fn sync(&mut self) -> Result<(), String>;
}

#[derive(Debug, Default)]
struct State {
    /// A thread waits for the rows below this sequence number.
    wanted: u64,
    /// A sync was requested since the last one began, or the last one failed. It implies
    /// `wanted > durable`.
    requested: bool,
    /// Rows below this sequence number are on disk.
    durable: u64,
    failure: Option<Failure>,
    syncs: TaskStat,
    stop: bool,
    /// The syncer has ended.
    over: bool,
}

/// The handle of the syncer's thread; dropping it syncs once more and ends the thread.
#[derive(Debug)]
pub(crate) struct Syncer {
    shared: Arc<Monitor<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(crate) fn start(target: impl SyncTarget, interval: Duration) -> Self {
        let shared = Arc::new(Monitor::<State>::default());
        let theirs = Arc::clone(&shared);
        let run = move || {
            Worker {
                target,
                interval,
                shared: theirs,
                log: FailureLog::new(
                    "ring not on disk: retrying: repair its disk, because a loss of power would lose bars",
                    "ring on disk again",
                ),
            }
            .run()
        };
        let thread = std::thread::Builder::new().name("barbus-sync".into()).spawn(run);
        Self { shared, thread: Some(thread.expect("a thread can be started")) }
    }

    /// A handle to wait for the disk without holding the writer.
    pub(crate) fn waiter(&self) -> DurabilityWaiter {
        DurabilityWaiter { shared: Arc::clone(&self.shared) }
    }

    /// Whether its thread has ended, which a panic makes it do.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // The thread sets this too, unless it panicked: no waiter may wait for it then.
        self.shared.lock().over = true;
        self.shared.notify_all();
    }
}

/// Why the worker woke up.
enum Wake {
    /// The interval may be over.
    Interval,
    /// A thread waits for rows that are not on disk.
    Requested,
    Stop,
}

struct Worker<T> {
    target: T,
    interval: Duration,
    shared: Arc<Monitor<State>>,
    log: FailureLog,
}

impl<T: SyncTarget> Worker<T> {
    fn run(mut self) {
        let mut synced_at = Instant::now();
        let mut synced = None;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match self.wait(&backoff) {
                Wake::Stop => break,
                Wake::Interval if synced_at.elapsed() < self.interval => continue,
                Wake::Interval | Wake::Requested => {}
            }
            // It is read before the sync: rows that are appended while it runs belong to the next
            // one.
            let progress = self.target.progress();
            if synced == Some(progress) {
                continue;
            }
            // After a failure the durable cursor stays where it is. The next attempt is made at the
            // next interval, or after a pause if a thread waits.
            let begun = Instant::now();
            let result = self.target.sync();
            synced_at = Instant::now();
            self.shared.lock().syncs.add(synced_at - begun, result.is_ok());
            synced = result.is_ok().then_some(progress);
            match result {
                Ok(()) => backoff.reset(),
                Err(_) => backoff.fail(synced_at),
            }
            self.publish(result.map(|()| progress.0));
        }
        let (next_seq, _) = self.target.progress();
        let result = self.target.sync();
        self.publish(result.map(|()| next_seq));
        self.shared.lock().over = true;
        self.shared.notify_all();
    }

    /// Waits for a request, for the end, or for one heartbeat (the interval, if that is shorter).
    fn wait(&self, backoff: &Backoff) -> Wake {
        let deadline = Instant::now() + HEARTBEAT.min(self.interval.max(Duration::from_millis(1)));
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            let rest = deadline.saturating_duration_since(now);
            let paused = backoff.remaining(now);
            if state.stop {
                return Wake::Stop;
            }
            if (state.requested && paused.is_none()) || rest.is_zero() {
                // A thread may wait for future rows: their sync is tried at each deadline, without
                // a new request.
                let serve = state.wanted > state.durable && paused.is_none();
                state.requested &= !serve;
                return if serve { Wake::Requested } else { Wake::Interval };
            }
            let timeout = paused.filter(|_| state.requested).map_or(rest, |pause| pause.min(rest));
            (state, _) = self.shared.wait_for(state, timeout);
        }
    }

    /// Shows the result of a sync to all threads that wait.
    fn publish(&mut self, result: Result<u64, String>) {
        let mut state = self.shared.lock();
        match result {
            Ok(durable) => {
                state.durable = state.durable.max(durable);
                state.requested &= state.wanted > state.durable;
                state.failure = None;
            }
            Err(error) => {
                state.requested = state.wanted > state.durable;
                state.failure = Some(Failure::after(state.failure.as_ref(), None, error));
            }
        }
        let failure = state.failure.clone();
        drop(state);
        self.shared.notify_all();
        self.log.update(failure);
    }
}

/// Waits until rows are on disk, where they survive a loss of power. It may be used in another
/// thread than the writer.
///
/// A ring on a tmpfs never survives a loss of power: see [`barbus::Bus::ring_is_volatile`].
#[derive(Debug, Clone)]
pub struct DurabilityWaiter {
    shared: Arc<Monitor<State>>,
}

impl DurabilityWaiter {
    /// All rows below this sequence number are known to be on disk.
    pub fn durable_seq(&self) -> u64 {
        self.shared.lock().durable
    }

    /// Requests a sync at once, unless every row below `seq` is on disk already. It does not wait.
    pub fn request(&self, seq: u64) {
        let mut state = self.shared.lock();
        state.wanted = state.wanted.max(seq);
        // One notification for each sync is enough: a second request would only wake the threads
        // that wait.
        if seq > state.durable && !state.requested {
            state.requested = true;
            self.shared.notify_all();
        }
    }

    /// Requests a sync at once and waits until every committed row below `seq` is on disk. A failed
    /// sync is retried meanwhile.
    ///
    /// Returns false after `timeout`, or if the writer ended before.
    pub fn wait(&self, seq: u64, timeout: Duration) -> bool {
        self.request(seq);
        let waiting = |state: &mut State| state.durable < seq && !state.over;
        self.shared.wait_while_for(self.shared.lock(), timeout, waiting).durable >= seq
    }

    /// The syncs so far, with the failed ones.
    pub(crate) fn syncs(&self) -> TaskStat {
        self.shared.lock().syncs
    }

    /// The last failure to sync the ring to disk, until the next success.
    pub fn last_failure(&self) -> Option<Failure> {
        self.shared.lock().failure.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::heartbeat::Heartbeat;
    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A disk whose syncs end when the test allows it.
    struct Disk {
        rows: Arc<AtomicU64>,
        syncs: Arc<AtomicU32>,
        fails: Arc<AtomicBool>,
        begun: Sender<()>,
        go: Receiver<()>,
    }

    impl SyncTarget for Disk {
        fn progress(&mut self) -> (u64, u32) {
            (self.rows.load(SeqCst), 0)
        }

        fn sync(&mut self) -> Result<(), String> {
            let _ = self.begun.send(());
            let _ = self.go.recv();
            self.syncs.fetch_add(1, SeqCst);
            if self.fails.load(SeqCst) { Err("the disk is gone".into()) } else { Ok(()) }
        }
    }

    struct Fixture {
        syncer: Syncer,
        rows: Arc<AtomicU64>,
        syncs: Arc<AtomicU32>,
        fails: Arc<AtomicBool>,
        begun: Receiver<()>,
        go: Sender<()>,
    }

    fn fixture() -> Fixture {
        let (begun, has_begun) = channel();
        let (go, may_go) = channel();
        let (rows, syncs, fails) = <(Arc<AtomicU64>, Arc<AtomicU32>, Arc<AtomicBool>)>::default();
        let disk = Disk { rows: rows.clone(), syncs: syncs.clone(), fails: fails.clone(), begun, go: may_go };
        let syncer = Syncer::start(disk, Duration::from_secs(3_600));
        Fixture { syncer, rows, syncs, fails, begun: has_begun, go }
    }

    const LONG: Duration = Duration::from_secs(240);

    /// Promise 6: a row counts as durable only after a sync that began after its commit; one sync
    /// serves all requests.
    #[test]
    fn one_sync_serves_all_requests_made_before_it_began() {
        let fixture = fixture();
        let waiter = fixture.syncer.waiter();
        fixture.rows.store(10, SeqCst);
        waiter.request(4);
        fixture.begun.recv().unwrap();
        // Rows and requests that arrive while it runs are too late for it.
        fixture.rows.store(30, SeqCst);
        let later: Vec<_> = (20..=30)
            .map(|seq| {
                let waiter = fixture.syncer.waiter();
                waiter.request(seq);
                std::thread::spawn(move || (waiter.wait(seq, LONG), waiter.durable_seq()))
            })
            .collect();
        assert_eq!(waiter.durable_seq(), 0);
        assert!(!waiter.wait(4, Duration::ZERO));
        fixture.go.send(()).unwrap();
        assert!(waiter.wait(10, LONG));
        fixture.begun.recv().unwrap();
        assert_eq!((waiter.durable_seq(), fixture.syncs.load(SeqCst)), (10, 1));
        assert!(!waiter.wait(20, Duration::ZERO));
        fixture.go.send(()).unwrap();
        for waiter in later {
            assert_eq!(waiter.join().unwrap(), (true, 30));
        }
        assert_eq!(fixture.syncs.load(SeqCst), 2);
        // A row that is on disk needs no further sync.
        assert!(waiter.wait(30, LONG));
        assert_eq!(fixture.syncs.load(SeqCst), 2);
        fixture.go.send(()).unwrap();
    }

    /// Promise 6: a failed sync makes no row durable; it is reported and retried.
    #[test]
    fn a_failed_sync_is_reported_and_retried() {
        let fixture = fixture();
        let waiter = fixture.syncer.waiter();
        fixture.rows.store(5, SeqCst);
        fixture.fails.store(true, SeqCst);
        waiter.request(5);
        for tries in 1..=3 {
            fixture.begun.recv().unwrap();
            if tries > 1 {
                let failure = waiter.last_failure().unwrap();
                assert_eq!((failure.error.as_str(), failure.tries), ("the disk is gone", tries - 1));
            }
            assert_eq!(waiter.durable_seq(), 0);
            fixture.go.send(()).unwrap();
        }
        fixture.begun.recv().unwrap();
        fixture.fails.store(false, SeqCst);
        fixture.go.send(()).unwrap();
        assert!(waiter.wait(5, LONG));
        assert_eq!((waiter.last_failure(), waiter.durable_seq()), (None, 5));
        fixture.go.send(()).unwrap();
    }

    /// A slow disk does not make the writer look dead. The last heartbeat shows that it ended.
    #[test]
    fn the_heartbeat_continues_during_a_slow_sync() {
        let beats = <Arc<AtomicU64>>::default();
        let beat = Arc::clone(&beats);
        let heartbeat = Heartbeat::start(Clock::start(), move |now| beat.store(now.wall_ns as u64, SeqCst));
        let fixture = fixture();
        fixture.rows.store(5, SeqCst);
        fixture.syncer.waiter().request(5);
        fixture.begun.recv().unwrap();
        // The sync runs.
        let before = beats.load(SeqCst);
        let end = Instant::now() + LONG;
        while beats.load(SeqCst) == before {
            assert!(Instant::now() < end, "no heartbeat during the sync");
            std::thread::sleep(Duration::from_millis(1));
        }
        // This sync and the last one.
        fixture.go.send(()).unwrap();
        fixture.go.send(()).unwrap();
        drop(fixture);
        assert_ne!(beats.load(SeqCst), 0, "the heartbeat outlives the last sync");
        drop(heartbeat);
        assert_eq!(beats.load(SeqCst), 0);
    }
}
