//! A reader that runs through a whole test, and checks each bar that it sees.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use barbus::{Date, Event, Reader, Start};

use super::bus::TestBus;
use super::market::Bar;
use super::wait;

/// What a reader saw, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Bar(Bar),
    Close(Date),
}

/// A reader in a thread of its own.
pub(crate) struct Watcher {
    thread: JoinHandle<Vec<Seen>>,
    bars: Arc<AtomicU64>,
    closes: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Watcher {
    /// Follows a bus from its first bar on.
    ///
    /// It fails if a row is missing or comes twice, if a bar has values that no producer sent, or
    /// if an older version of a bar follows a newer one.
    pub(crate) fn follow(bus: &TestBus) -> Self {
        let reader = Reader::open(bus.path()).and_then(|reader| reader.start_at(Start::Oldest));
        let reader = reader.expect("a ring").name("watcher");
        let (bars, closes, over) = (Arc::default(), Arc::default(), Arc::default());
        let shared = (Arc::clone(&bars), Arc::clone(&closes), Arc::clone(&over));
        let thread = std::thread::spawn(move || watch(reader, &shared.0, &shared.1, &shared.2));
        Self { thread, bars, closes, over }
    }

    /// Bars so far, with their corrections.
    pub(crate) fn bars(&self) -> u64 {
        self.bars.load(Ordering::Relaxed)
    }

    /// Waits until it has seen this many bars.
    #[track_caller]
    pub(crate) fn until_bars(&self, count: u64) {
        wait::until(&format!("{count} bars, of {}", self.bars()), || {
            assert!(!self.thread.is_finished(), "the watching thread has failed");
            (self.bars() >= count).then_some(())
        });
    }

    /// Waits until it has seen this many closes of days.
    #[track_caller]
    pub(crate) fn until_closes(&self, count: u64) {
        wait::until(&format!("{count} closes"), || {
            assert!(!self.thread.is_finished(), "the watching thread has failed");
            (self.closes.load(Ordering::Relaxed) >= count).then_some(())
        });
    }

    /// Everything that it saw.
    pub(crate) fn finish(self) -> Vec<Seen> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn watch(mut reader: Reader, bars_seen: &AtomicU64, closes_seen: &AtomicU64, over: &AtomicBool) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut next_seq = 0;
    let mut versions: HashMap<(u32, i64), u32> = HashMap::new();
    loop {
        match reader.next(Duration::from_millis(20)).expect("a ring that can be read") {
            Some(Event::Bars(bars)) => {
                for row in bars.iter() {
                    assert_eq!(row.seq, next_seq, "a bar is missing or delivered twice");
                    next_seq += 1;
                    let prices = [row.open, row.high, row.low, row.close, row.volume].map(Some);
                    let [open, high, low, close, volume] = prices;
                    let values = [open, high, low, close, volume, row.optional(0), row.optional(1)];
                    let bar = Bar::of(row.symbol, row.frame_ms, values);
                    let before = versions.insert((bar.symbol, bar.frame_ms), bar.version);
                    assert!(before.is_none_or(|before| before < bar.version), "{bar:?} after version {before:?}");
                    seen.push(Seen::Bar(bar));
                }
                bars_seen.store(next_seq, Ordering::Relaxed);
            }
            Some(Event::DayClosed(day)) => {
                seen.push(Seen::Close(day));
                closes_seen.fetch_add(1, Ordering::Relaxed);
            }
            Some(other) => panic!("{other:?}"),
            None if over.load(Ordering::Relaxed) => return seen,
            None => {}
        }
    }
}
