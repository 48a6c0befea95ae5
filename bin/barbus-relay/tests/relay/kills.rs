//! Both relays, both daemons and the server are killed at random while a producer publishes.
//!
//! `BARBUS_RELAY_KILLS` sets the number of kills (20); `BARBUS_RELAY_SEED` the random moments.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::bus::{TestBus, assert_archives};
use crate::support::client::Client;
use crate::support::market::{Bar, MINUTE_MS, MONDAY_MS, batch};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::random::{self, Random};
use crate::support::relay::{Relay, start_both};
use crate::support::wait;
use crate::support::watcher::{Seen, Watcher};

const SYMBOLS: u32 = 12;
/// Minutes between two bars of a symbol: a day has 48 of them, and many days pass.
const STEP_MS: i64 = 30 * MINUTE_MS;
/// How many bars a producer goes back for a correction; some are of closed days.
const RECENT: u64 = 2_000;
/// The most bars that the reader there may be behind, so that no ring loses them.
const LAG: u64 = 8_000;

/// What the threads share.
#[derive(Default)]
struct Run {
    sent: AtomicU64,
    over: AtomicBool,
}

/// Stops the producer when the test has failed.
struct Stop<'a>(&'a Run);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_is_lost_or_doubled_when_everything_is_killed_repeatedly() {
    let kills = random::setting("BARBUS_RELAY_KILLS", 20);
    let mut random = Random::seeded(random::seed("BARBUS_RELAY_SEED"));
    let machine = Machine::local();
    let Some(mut server) = Server::start(Release::Newest, &machine) else { return };
    let (mut here, mut there) = (TestBus::start(), TestBus::start());
    let url = server.url();
    let client = Client::new(&machine, &url);
    let [mut carrier, mut receiver] = start_both(&client, (&machine, &here), (&machine, &there), &url, &[]);
    let watchers = [&here, &there].map(Watcher::follow);
    let (run, began, seed) = (Run::default(), Instant::now(), random.any());
    let publisher = here.publisher();
    let sent = std::thread::scope(|scope| {
        let stop = Stop(&run);
        let (run, seen) = (&run, &watchers[1]);
        let producer = scope.spawn(move || produce(publisher, run, seen, seed));
        for _ in 0..kills {
            let until = run.sent.load(Ordering::Relaxed) + 1 + random.below(600);
            wait::until("bars to be sent", || {
                assert!(!producer.is_finished(), "the producer has failed");
                carrier.revive();
                receiver.revive();
                (run.sent.load(Ordering::Relaxed) >= until).then_some(())
            });
            std::thread::sleep(Duration::from_micros(random.below(20_000)));
            let pause = Duration::from_micros(random.below(60_000));
            match random.below(9) {
                0 | 1 => restart(pause, &mut carrier, Relay::kill, Relay::run),
                2 | 3 => restart(pause, &mut receiver, Relay::kill, Relay::run),
                4 | 5 => restart(pause, &mut here, TestBus::kill, TestBus::run),
                6 | 7 => restart(pause, &mut there, TestBus::kill, TestBus::run),
                _ => restart(pause, &mut server, Server::kill, Server::run),
            }
        }
        drop(stop);
        producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    carrier.revive();
    receiver.revive();
    watchers[0].until_bars(sent.len() as u64);
    here.close_day();
    let closes = sent.iter().map(day).collect::<HashSet<_>>().len() as u64;
    watchers.iter().for_each(|watcher| watcher.until_closes(closes));
    assert_archives([&here, &there], &sent);
    let [seen_here, seen_there] = watchers.map(Watcher::finish);
    let [here_order, there_order] = [&seen_here, &seen_there].map(|seen| order(seen));
    assert!(here_order == there_order, "bars or closes came in another order");
    println!("{kills} kills, {} bars, {closes} days, {:.1?}", sent.len(), began.elapsed());
    carrier.stop();
    receiver.stop();
}

fn restart<T>(pause: Duration, what: &mut T, kill: fn(&mut T), run: fn(&mut T)) {
    kill(what);
    std::thread::sleep(pause);
    run(what);
}

/// Publishes small batches of new bars and corrections until it is stopped.
fn produce(mut publisher: barbus::Publisher, run: &Run, there: &Watcher, seed: u64) -> Vec<Bar> {
    let mut random = Random::seeded(seed);
    let mut sent: Vec<Bar> = Vec::new();
    let mut versions: BTreeMap<(u32, i64), u32> = BTreeMap::new();
    let mut frame_ms = MONDAY_MS;
    let mut merged_at_most = 0;
    while !run.over.load(Ordering::Relaxed) {
        wait::until("the reader there to catch up", || {
            let behind = sent.len() as u64 - merged_at_most;
            (run.over.load(Ordering::Relaxed) || behind < there.bars() + LAG).then_some(())
        });
        let from = sent.len();
        for _ in 0..1 + random.below(6) {
            frame_ms += STEP_MS;
            sent.extend((0..SYMBOLS).map(|symbol| Bar::new(symbol, frame_ms)));
        }
        for _ in 0..random.below(8) {
            let back = 1 + random.below(RECENT.min(sent.len() as u64)) as usize;
            let bar = sent[sent.len() - back];
            let version = versions.entry((bar.symbol, bar.frame_ms)).or_default();
            *version += 1;
            sent.push(bar.version(*version));
            // There, it may take the place of an earlier one that is in doubt after a kill.
            merged_at_most += 1;
        }
        publisher.queue(&batch(&sent[from..])).expect("the daemon restarts");
        run.sent.store(sent.len() as u64, Ordering::Relaxed);
        // About what a desk has in a minute's burst, so that kills hit bars in every state.
        std::thread::sleep(Duration::from_millis(5));
    }
    publisher.finish().expect("the daemon restarts");
    sent
}

/// The day of a bar: one that ends at midnight belongs to the day before.
fn day(bar: &Bar) -> i64 {
    (bar.frame_ms - 1).div_euclid(1_440 * MINUTE_MS)
}

/// The first appearances of all bars, without their versions, and the closes.
fn order(seen: &[Seen]) -> Vec<Seen> {
    let mut known = HashSet::new();
    let first = |seen: &Seen| match seen {
        Seen::Bar(bar) => known.insert((bar.symbol, bar.frame_ms)).then(|| Seen::Bar(bar.version(0))),
        Seen::Close(day) => Some(Seen::Close(*day)),
    };
    seen.iter().filter_map(first).collect()
}
