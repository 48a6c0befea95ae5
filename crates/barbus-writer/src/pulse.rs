//! The writer's pulse: a thread that says that the writer lives, and one that puts the ring on disk, at the interval set and when somebody waits.
//!
//! They are two, so that a disk that takes its time does not make the writer look dead.
//!
//! Whoever waits for rows to be on disk asks for a sync at once. One sync serves all who asked before it began; the next one serves
//! those who came meanwhile. Nobody holds the writer while he waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use barbus_ring::RingMaintenance;

use crate::failure::Failure;
use barbus_shm::now_ns;

const BEAT: Duration = Duration::from_millis(100);
/// The pause after a sync that failed while somebody waits for it.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the pulse does to a ring, behind a seam at which tests let it fail.
pub(crate) trait Heart: Send + 'static {
    /// The sequence number of the next row, and the count of commits and day closes.
    fn progress(&mut self) -> (u64, u32);
    /// Puts everything on disk that was committed before the call.
    fn sync(&mut self) -> Result<(), String>;
}

/// The ring that is written now: another one's from the moment on that one takes its place.
#[derive(Debug, Clone)]
pub(crate) struct Current(Arc<Mutex<RingMaintenance>>);

impl Current {
    pub(crate) fn new(ring: RingMaintenance) -> Self {
        Self(Arc::new(Mutex::new(ring)))
    }

    /// Goes on with the ring that took this one's place.
    pub(crate) fn turn_to(&self, ring: RingMaintenance) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    fn ring(&self) -> RingMaintenance {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says that the writer lives, at nanoseconds since 1970-01-01 UTC; 0 says that it ended.
    pub(crate) fn beat(&self, now_ns: u64) {
        self.ring().heartbeat(now_ns);
    }
}

impl Heart for Current {
    fn progress(&mut self) -> (u64, u32) {
        let maintenance = self.ring();
        let commits = maintenance.ring().commits();
        (maintenance.ring().status().next_seq, commits)
    }

    fn sync(&mut self) -> Result<(), String> {
        // A ring that was replaced meanwhile is archived, and the archive is on disk: its rows are as safe as they can be.
        self.ring().sync().map_err(|error| error.to_string())
    }
}

#[derive(Default)]
struct State {
    /// Rows below it are waited for.
    wanted: u64,
    /// Somebody has asked since the last sync began, or it failed.
    asked: bool,
    /// Rows below it are on disk.
    durable: u64,
    error: Option<Failure>,
    stop: bool,
    over: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("durable", &self.lock().durable).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Pulse {
    shared: Arc<Shared>,
    /// That which syncs, and that which beats.
    threads: Vec<JoinHandle<()>>,
}

impl Pulse {
    /// Has `beat` called with the time at each beat, and with 0 at the end.
    pub(crate) fn start(heart: impl Heart, mut beat: impl FnMut(u64) + Send + 'static, sync: Duration) -> Self {
        // Who finds the writer there finds it alive.
        beat(now_ns() as u64);
        fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
            std::thread::Builder::new().name(name.into()).spawn(work).expect("a thread can be started")
        }
        let shared = Arc::new(Shared::default());
        let [theirs, beats] = [Arc::clone(&shared), Arc::clone(&shared)];
        let syncing = thread("barbus-sync", move || run(heart, sync, &theirs));
        let beating = thread("barbus-pulse", move || keep_beating(beat, &beats));
        Self { shared, threads: vec![syncing, beating] }
    }

    /// A handle to wait for the disk without holding the writer.
    pub(crate) fn waiter(&self) -> DurabilityWaiter {
        DurabilityWaiter { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
            // Said by the thread itself, unless it met a bug: the other one must not go on for ever.
            self.shared.lock().over = true;
            self.shared.done.notify_all();
        }
    }
}

fn keep_beating(mut beat: impl FnMut(u64), shared: &Shared) {
    loop {
        beat(now_ns() as u64);
        let waited = shared.done.wait_timeout_while(shared.lock(), BEAT, |state| !state.over);
        if waited.unwrap_or_else(PoisonError::into_inner).0.over {
            return beat(0);
        }
    }
}

fn run(mut heart: impl Heart, interval: Duration, shared: &Shared) {
    let mut synced = Instant::now();
    let mut seen = None;
    // After a failure: how long the pause is, and when it is over.
    let mut pause: Option<(Duration, Instant)> = None;
    loop {
        let (asked, stop) = {
            let mut state = shared.lock();
            let woken_until = Instant::now() + BEAT.min(interval.max(Duration::from_millis(1)));
            loop {
                let now = Instant::now();
                let paused = pause.filter(|(_, until)| now < *until);
                let asked = state.asked && state.wanted > state.durable;
                let until = paused.filter(|_| asked).map_or(woken_until, |(_, until)| until.min(woken_until));
                if state.stop || (asked && paused.is_none()) || now >= woken_until {
                    // Who waits for rows that are yet to come is served with them, at a beat.
                    let asked = state.wanted > state.durable && paused.is_none();
                    state.asked &= !asked;
                    break (asked, state.stop);
                }
                let waited = shared.work.wait_timeout(state, until.saturating_duration_since(now));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        };
        if stop {
            break;
        }
        if !asked && synced.elapsed() < interval {
            continue;
        }
        // Read before the sync: rows that come while it runs are the next one's.
        let progress = heart.progress();
        if seen == Some(progress) {
            continue;
        }
        // A disk that refuses is tried again at the next interval, or after a pause where somebody waits; the durable cursor just stays.
        let result = heart.sync();
        synced = Instant::now();
        seen = result.is_ok().then_some(progress);
        pause = match &result {
            Ok(()) => None,
            Err(_) => {
                let length = pause.map_or(FIRST_PAUSE, |(length, _)| (length * 2).min(LONGEST_PAUSE));
                Some((length, synced + length))
            }
        };
        note(shared, result.map(|()| progress.0));
    }
    let progress = heart.progress();
    let result = heart.sync();
    note(shared, result.map(|()| progress.0));
    shared.lock().over = true;
    shared.done.notify_all();
}

/// Tells all who wait what became of a sync.
fn note(shared: &Shared, result: Result<u64, String>) {
    let mut state = shared.lock();
    match result {
        Ok(durable) => {
            state.durable = state.durable.max(durable);
            state.error = None;
        }
        Err(error) => {
            state.error = Some(Failure::after(state.error.as_ref(), None, error));
            state.asked = true;
        }
    }
    shared.done.notify_all();
}

/// Waits for rows to be on disk, where they survive a loss of power; it may live in another thread than the writer.
///
/// Where the ring is on a tmpfs "on disk" means nothing: see [`barbus::Bus::ring_is_volatile`].
#[derive(Debug, Clone)]
pub struct DurabilityWaiter {
    shared: Arc<Shared>,
}

impl DurabilityWaiter {
    /// Rows below this sequence number are known to be on disk.
    pub fn durable_seq(&self) -> u64 {
        self.shared.lock().durable
    }

    /// Asks for a sync at once, unless every row below `seq` is on disk already; it does not wait.
    pub fn ask(&self, seq: u64) {
        let mut state = self.shared.lock();
        if seq > state.wanted {
            state.wanted = seq;
        }
        if seq > state.durable {
            state.asked = true;
            self.shared.work.notify_all();
        }
    }

    /// Asks for a sync at once and waits until every committed row below `seq` is on disk; a sync that fails is tried again meanwhile.
    ///
    /// False after `timeout`, or when the writer ended without it.
    pub fn wait(&self, seq: u64, timeout: Duration) -> bool {
        self.ask(seq);
        let state = self.shared.lock();
        let waiting = |state: &mut State| state.durable < seq && !state.over;
        let (state, _) =
            self.shared.done.wait_timeout_while(state, timeout, waiting).unwrap_or_else(PoisonError::into_inner);
        state.durable >= seq
    }

    /// The last failure to put the ring on disk, until a success.
    pub fn last_error(&self) -> Option<Failure> {
        self.shared.lock().error.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A disk that syncs when it is told to.
    struct Disk {
        rows: Arc<AtomicU64>,
        syncs: Arc<AtomicU32>,
        fails: Arc<AtomicBool>,
        begun: Sender<()>,
        go: Receiver<()>,
    }

    impl Heart for Disk {
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

    struct Bench {
        pulse: Pulse,
        beats: Arc<AtomicU64>,
        rows: Arc<AtomicU64>,
        syncs: Arc<AtomicU32>,
        fails: Arc<AtomicBool>,
        begun: Receiver<()>,
        go: Sender<()>,
    }

    fn bench() -> Bench {
        let (begun, has_begun) = channel();
        let (go, may_go) = channel();
        let (rows, syncs, fails) = <(Arc<AtomicU64>, Arc<AtomicU32>, Arc<AtomicBool>)>::default();
        let beats = <Arc<AtomicU64>>::default();
        let beat = beats.clone();
        let disk = Disk { rows: rows.clone(), syncs: syncs.clone(), fails: fails.clone(), begun, go: may_go };
        Bench {
            pulse: Pulse::start(disk, move |at| beat.store(at, SeqCst), Duration::from_secs(3_600)),
            beats,
            rows,
            syncs,
            fails,
            begun: has_begun,
            go,
        }
    }

    const LONG: Duration = Duration::from_secs(240);

    /// Promise 6: nobody is told that a row is on disk before the sync that began after its commit has ended; one sync serves all.
    #[test]
    fn one_sync_serves_all_who_asked_before_it_began() {
        let bench = bench();
        let waiter = bench.pulse.waiter();
        bench.rows.store(10, SeqCst);
        waiter.ask(4);
        bench.begun.recv().unwrap();
        // While it runs, more rows come, and more who wait: for them it is too late.
        bench.rows.store(30, SeqCst);
        let later: Vec<_> = (20..=30)
            .map(|seq| {
                let waiter = bench.pulse.waiter();
                waiter.ask(seq);
                std::thread::spawn(move || (waiter.wait(seq, LONG), waiter.durable_seq()))
            })
            .collect();
        assert_eq!(waiter.durable_seq(), 0);
        assert!(!waiter.wait(4, Duration::ZERO));
        bench.go.send(()).unwrap();
        assert!(waiter.wait(10, LONG));
        bench.begun.recv().unwrap();
        assert_eq!((waiter.durable_seq(), bench.syncs.load(SeqCst)), (10, 1));
        assert!(!waiter.wait(20, Duration::ZERO));
        bench.go.send(()).unwrap();
        for waiter in later {
            assert_eq!(waiter.join().unwrap(), (true, 30));
        }
        assert_eq!(bench.syncs.load(SeqCst), 2);
        // What is on disk already is not synced again.
        assert!(waiter.wait(30, LONG));
        assert_eq!(bench.syncs.load(SeqCst), 2);
        bench.go.send(()).unwrap();
    }

    /// Promise 6: a sync that fails lets nobody go, is shown, and is tried again.
    #[test]
    fn a_sync_that_fails_is_shown_and_tried_again() {
        let bench = bench();
        let waiter = bench.pulse.waiter();
        bench.rows.store(5, SeqCst);
        bench.fails.store(true, SeqCst);
        waiter.ask(5);
        for tries in 1..=3 {
            bench.begun.recv().unwrap();
            if tries > 1 {
                let error = waiter.last_error().unwrap();
                assert_eq!((error.error.as_str(), error.tries), ("the disk is gone", tries - 1));
            }
            assert_eq!(waiter.durable_seq(), 0);
            bench.go.send(()).unwrap();
        }
        bench.begun.recv().unwrap();
        bench.fails.store(false, SeqCst);
        bench.go.send(()).unwrap();
        assert!(waiter.wait(5, LONG));
        assert_eq!((waiter.last_error(), waiter.durable_seq()), (None, 5));
        bench.go.send(()).unwrap();
    }
    /// A disk that takes its time does not make the writer look dead; its end is said at the end.
    #[test]
    fn the_heart_beats_while_the_disk_is_slow() {
        let bench = bench();
        bench.rows.store(5, SeqCst);
        bench.pulse.waiter().ask(5);
        bench.begun.recv().unwrap();
        // In the middle of a sync.
        let before = bench.beats.load(SeqCst);
        let end = Instant::now() + LONG;
        while bench.beats.load(SeqCst) == before {
            assert!(Instant::now() < end, "no beat during the sync");
            std::thread::sleep(Duration::from_millis(1));
        }
        let Bench { pulse, beats, go, .. } = bench;
        // This one, and the last one.
        go.send(()).unwrap();
        go.send(()).unwrap();
        drop(pulse);
        assert_eq!(beats.load(SeqCst), 0);
    }
}
