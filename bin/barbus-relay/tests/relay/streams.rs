//! Several buses on a stream, and buses that come late or were away.

use crate::support::bus::{TestBus, assert_archives};
use crate::support::client::Client;
use crate::support::market::{Bar, DAY_MS, MONDAY_MS, minutes};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::relay::{Direction, Relay, start_both};
use crate::support::wait;
use crate::support::watcher::{Seen, Watcher};

fn bars(seen: Vec<Seen>) -> Vec<Bar> {
    seen.into_iter().filter_map(|seen| if let Seen::Bar(bar) = seen { Some(bar) } else { None }).collect()
}

/// Two buses share a stream, and each of two others gets one of them.
#[test]
fn buses_share_a_stream() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Debian, &machine) else { return };
    let url = server.url();
    let sources = [TestBus::start(), TestBus::start()];
    let targets = [TestBus::start(), TestBus::start()];
    let prefixes = ["barbus.stocks", "desk.futures"];
    let mut relays = Vec::new();
    for (bus, prefix) in sources.iter().zip(prefixes) {
        let mut out = Relay::start(&machine, Direction::Out, bus, &url, &["--prefix", prefix]);
        wait::until("the subjects of the bus", || {
            out.process().assert_running();
            out.process().log().contains("the stream ").then_some(())
        });
        relays.push(out);
    }
    let output = Relay::new(&machine, Direction::In, &targets[0], &url, &[]).output();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains("--bus or --prefix"), "{text}");
    let chosen = [["--bus", "stocks"], ["--prefix", "desk.futures"]];
    relays
        .extend(targets.iter().zip(&chosen).map(|(bus, more)| Relay::start(&machine, Direction::In, bus, &url, more)));
    let watchers = targets.each_ref().map(Watcher::follow);
    let sent = [minutes(20, MONDAY_MS, 50), minutes(30, MONDAY_MS, 40)];
    for part in 0..10 {
        for (bus, bars) in sources.iter().zip(&sent) {
            let count = bars.len() / 10;
            bus.publish(&bars[part * count..(part + 1) * count]);
        }
    }
    for (watcher, sent) in watchers.into_iter().zip(&sent) {
        watcher.until_bars(sent.len() as u64);
        assert!(bars(watcher.finish()) == *sent, "a bus got other bars");
    }
    relays.iter_mut().for_each(Relay::stop);
}

/// The ring turns several times while the relay is away: the archive has what is missing.
#[test]
fn a_relay_that_was_overtaken_goes_on_from_the_archive() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let client = Client::new(&machine, &server.url());
    let small = [
        ("# size = \"256MB\"", "size = \"1MB\""),
        ("# rows_per_block = 16384", "rows_per_block = 64"),
        ("# symbols = 8192", "symbols = 256"),
        ("# tip_rows = 8192", "tip_rows = 64"),
    ];
    let (here, there) = (TestBus::with("24x7", &small), TestBus::start());
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &server.url(), &[]);
    let watcher = Watcher::follow(&there);
    let mut sent = minutes(10, MONDAY_MS, 20);
    here.publish(&sent);
    watcher.until_bars(200);
    out.kill();
    // About five times the ring, over three days, and corrections of what was carried.
    let mut missed: Vec<Bar> = sent.iter().step_by(9).map(|bar| bar.version(1)).collect();
    for day in 0..3 {
        missed.extend(minutes(10, MONDAY_MS + day * DAY_MS + 30 * 60_000, 200));
    }
    here.publish(&missed);
    sent.extend(missed);
    out.run();
    let live = minutes(10, MONDAY_MS + 3 * DAY_MS, 20);
    here.publish(&live);
    sent.extend(live);
    watcher.until_bars(sent.len() as u64);
    here.close_day();
    watcher.until_closes(4);
    assert_archives([&here, &there], &sent);
    assert_eq!(bars(watcher.finish()).len(), sent.len(), "a bar came twice");
    into.stop();
    out.stop();
}

/// A new bus gets the stream from its oldest message on; so does one that was emptied.
#[test]
fn a_bus_that_comes_late_gets_the_whole_stream() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Debian, &machine) else { return };
    let (url, client) = (server.url(), Client::new(&machine, &server.url()));
    let here = TestBus::start();
    let mut out = Relay::start(&machine, Direction::Out, &here, &url, &[]);
    out.until_begun(&client);
    let monday = minutes(20, MONDAY_MS, 60);
    let mut sent = monday.clone();
    sent.extend(monday.iter().step_by(5).map(|bar| bar.version(1)));
    sent.extend(minutes(20, MONDAY_MS + DAY_MS, 60));
    here.publish(&sent);
    for _ in 0..2 {
        let there = TestBus::start();
        let watcher = Watcher::follow(&there);
        let mut into = Relay::start(&machine, Direction::In, &there, &url, &[]);
        watcher.until_bars(sent.len() as u64);
        assert!(bars(watcher.finish()) == sent, "the bus got other bars");
        into.stop();
    }
    out.stop();
}
