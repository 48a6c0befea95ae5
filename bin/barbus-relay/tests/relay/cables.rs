//! The network between machines: cut cables, slow ones, and a receiver that stops.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::bus::{TestBus, assert_archives};
use crate::support::client::Client;
use crate::support::market::{Bar, MINUTE_MS, MONDAY_MS, minutes};
use crate::support::nats::{Release, Server};
use crate::support::network::Network;
use crate::support::relay::{Relay, start_both};
use crate::support::watcher::Watcher;

/// The machine of the feed, and the one of the strategies; the server has its own.
const FEED: usize = 0;
const SERVER: usize = 1;
const DESK: usize = 2;

/// How long a cable is cut: longer than several heartbeats of a client.
const CUT: Duration = Duration::from_secs(4);

/// Two buses on machines of their own, with everything that the test has published.
struct Desk {
    network: Network,
    here: TestBus,
    there: TestBus,
    watchers: [Watcher; 2],
    relays: [Relay; 2],
    sent: Vec<Bar>,
    _server: Server,
}

impl Desk {
    fn new(release: Release) -> Option<Self> {
        let network = Network::of(3)?;
        let server = Server::start(release, &network.machines[SERVER])?;
        let (here, there) = (TestBus::start(), TestBus::start());
        let client = Client::new(&network.switch, &server.url());
        let [from, to] = [(&network.machines[FEED], &here), (&network.machines[DESK], &there)];
        let relays = start_both(&client, from, to, &server.url(), &[]);
        let watchers = [&here, &there].map(Watcher::follow);
        Some(Self { network, here, there, watchers, relays, sent: Vec::new(), _server: server })
    }

    /// Publishes the next minutes of a hundred symbols.
    fn publish(&mut self, count: i64) {
        let begin_ms = self.sent.last().map_or(MONDAY_MS, |bar| bar.frame_ms);
        let bars = minutes(100, begin_ms, count);
        self.here.publish(&bars);
        self.sent.extend(bars);
    }

    fn until_arrived(&self) {
        self.watchers[1].until_bars(self.sent.len() as u64);
    }

    /// Closes the day, and compares everything.
    fn end(mut self) {
        self.here.close_day();
        self.watchers.iter().for_each(|watcher| watcher.until_closes(1));
        let [here, there] = self.watchers.map(Watcher::finish);
        assert!(here == there, "the two readers saw different things");
        assert_archives([&self.here, &self.there], &self.sent);
        self.relays.iter_mut().for_each(Relay::stop);
    }
}

/// Each side in turn, and then both, are cut off while bars are published.
#[test]
fn bars_of_a_partition_arrive_when_it_heals() {
    let Some(mut desk) = Desk::new(Release::Debian) else { return };
    desk.publish(10);
    desk.until_arrived();
    for sides in [&[FEED][..], &[DESK], &[FEED, DESK]] {
        sides.iter().for_each(|&side| desk.network.cut(side));
        for _ in 0..4 {
            desk.publish(5);
            std::thread::sleep(CUT / 4);
        }
        assert!(desk.watchers[1].bars() < desk.sent.len() as u64, "the cables are not cut");
        sides.iter().for_each(|&side| desk.network.restore(side));
        desk.publish(5);
        desk.until_arrived();
    }
    desk.end();
}

/// A receiver behind a slow cable, or one that does not run for a while, loses nothing and does not
/// hold up the feed.
#[test]
fn a_slow_receiver_gets_everything() {
    let Some(mut desk) = Desk::new(Release::Newest) else { return };
    desk.network.limit(DESK, 1_000);
    desk.publish(200);
    // The feed's reader is done long before the other one.
    desk.watchers[0].until_bars(desk.sent.len() as u64);
    desk.until_arrived();
    desk.network.limit(DESK, 1_000_000);
    for stopped in [0, 1] {
        let signal = |desk: &mut Desk, signal| match stopped {
            0 => desk.relays[1].process().signal(signal),
            _ => desk.there.daemon().signal(signal),
        };
        signal(&mut desk, Signal::SIGSTOP);
        desk.publish(100);
        desk.watchers[0].until_bars(desk.sent.len() as u64);
        std::thread::sleep(Duration::from_secs(1));
        signal(&mut desk, Signal::SIGCONT);
        desk.until_arrived();
    }
    assert_eq!(desk.sent.last().map(|bar| bar.frame_ms), Some(MONDAY_MS + 400 * MINUTE_MS));
    desk.end();
}
