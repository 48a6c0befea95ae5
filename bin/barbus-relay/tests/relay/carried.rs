//! What is carried: bars, revisions, late bars, closes and watermarks, in the order of the ring.

use std::time::Duration;

use barbus::{Event, MinuteOptions, Reader, Start};

use crate::support::bus::{TestBus, assert_archives};
use crate::support::client::Client;
use crate::support::market::{Bar, DAY_MS, MINUTE_MS, MONDAY_MS, minutes};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::relay::{Relay, start_both};
use crate::support::wait;
use crate::support::watcher::Watcher;

/// Two buses with a relay between them, over one server.
struct Desk {
    here: TestBus,
    there: TestBus,
    relays: [Relay; 2],
    _server: Server,
}

impl Desk {
    fn over(release: Release, more: &[&str]) -> Option<Self> {
        let machine = Machine::local();
        let server = Server::start(release, &machine)?;
        let (here, there) = (TestBus::start(), TestBus::start());
        let client = Client::new(&machine, &server.url());
        let relays = start_both(&client, (&machine, &here), (&machine, &there), &server.url(), more);
        Some(Self { here, there, relays, _server: server })
    }
}

/// Everything that a ring has arrives once and in its order, and both archives are equal.
fn everything_arrives_in_order(release: Release, more: &[&str]) {
    let Some(mut desk) = Desk::over(release, more) else { return };
    let watchers = [&desk.here, &desk.there].map(Watcher::follow);
    let mut sent = Vec::new();
    let mut publish = |bars: Vec<Bar>| {
        desk.here.publish(&bars);
        sent.extend(bars);
        watchers.iter().for_each(|watcher| watcher.until_bars(sent.len() as u64));
    };
    let monday = minutes(20, MONDAY_MS, 120);
    publish(monday.clone());
    // A correction of some bars, and one of the corrections.
    publish(monday.iter().step_by(7).map(|bar| bar.version(1)).collect());
    publish(monday.iter().step_by(21).map(|bar| bar.version(2)).collect());
    desk.here.close_day();
    watchers.iter().for_each(|watcher| watcher.until_closes(1));
    // A new day, with bars and a correction of the closed one between its bars.
    publish(minutes(20, MONDAY_MS + DAY_MS, 60));
    publish(minutes(30, MONDAY_MS + 200 * MINUTE_MS, 3));
    publish(vec![monday[5].version(3)]);
    publish(minutes(20, MONDAY_MS + DAY_MS + 60 * MINUTE_MS, 60));
    desk.here.close_day();
    watchers.iter().for_each(|watcher| watcher.until_closes(2));
    let [here, there] = watchers.map(Watcher::finish);
    assert_eq!(here, there, "the two readers saw different things");
    assert_archives([&desk.here, &desk.there], &sent);
    desk.relays.iter_mut().for_each(Relay::stop);
}

#[test]
fn everything_arrives_in_order_over_debians_server() {
    everything_arrives_in_order(Release::Debian, &[]);
}

#[test]
fn everything_arrives_in_order_over_the_newest_server() {
    everything_arrives_in_order(Release::Newest, &[]);
}

/// The order is that of the ring also where symbols have subjects of their own.
#[test]
fn everything_arrives_in_order_by_symbol() {
    everything_arrives_in_order(Release::Newest, &["--subjects", "symbol"]);
}

#[test]
fn everything_arrives_in_order_by_shards() {
    everything_arrives_in_order(Release::Debian, &["--subjects", "shards=4"]);
}

/// Promise 13 on another machine: a minute closes there when the producer says that it is done, and
/// its bars come before.
#[test]
fn a_minute_closes_there_when_it_is_done_here() {
    let Some(mut desk) = Desk::over(Release::Newest, &[]) else { return };
    // The universe has a symbol that never has a bar, so no minute closes because it has them all.
    let universe = ["S0000", "S0001", "S0002", "SILENT"].map(str::to_owned).to_vec();
    let options = MinuteOptions { universe: Some(universe), grace: Duration::from_secs(3_600) };
    let reader = Reader::open(desk.there.path()).and_then(|reader| reader.start_at(Start::Oldest));
    let mut there = reader.and_then(|reader| reader.minutes(options)).expect("a ring");
    let mut publisher = desk.here.publisher();
    for minute in 1..=20 {
        let frame_ms = MONDAY_MS + minute * MINUTE_MS;
        let bars: Vec<Bar> = (0..3).map(|symbol| Bar::new(symbol, frame_ms)).collect();
        publisher.send(&crate::support::market::batch(&bars)).expect("the daemon takes bars");
        publisher.done(frame_ms).expect("the daemon takes watermarks");
        let mut bars_seen = 0;
        let closed = wait::until("the minute to close", || {
            match there.next(Duration::from_millis(50)).expect("a ring that can be read") {
                Some(Event::Bars(bars)) => bars_seen += bars.len(),
                Some(Event::MinuteClosed(closed)) => return Some(closed.clone()),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            None
        });
        assert_eq!((closed.frame_ms, closed.symbols, bars_seen), (frame_ms, 3, 3));
        assert_eq!(closed.missing, ["SILENT"]);
    }
    desk.relays.iter_mut().for_each(Relay::stop);
}
