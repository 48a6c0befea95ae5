//! What the ring or the stream has lost: it comes from the archive, and is not doubled.

use crate::support::bus::{TestBus, assert_archives};
use crate::support::client::Client;
use crate::support::market::{Bar, DAY_MS, MONDAY_MS, minutes};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::relay::{Direction, Relay, STREAM, reports, start_both};
use crate::support::wait;
use crate::support::watcher::{Seen, Watcher};

const TUESDAY_MS: i64 = MONDAY_MS + DAY_MS;

/// While the relay is away the ring turns once, with a late correction at its beginning.
#[test]
fn a_relay_that_was_overtaken_goes_on_from_the_archive() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let client = Client::new(&machine, &server.url());
    let here = TestBus::with("24x7", &[("# size = \"256MB\"", "size = \"4MB\"")]);
    let there = TestBus::start();
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &server.url(), &[]);
    let watcher = Watcher::follow(&there);
    let mut sent = minutes(20, MONDAY_MS, 50);
    sent.extend(sent.clone().iter().step_by(3).map(|bar| bar.version(1)));
    here.publish(&sent);
    watcher.until_bars(sent.len() as u64);
    out.stop();
    let mut away = minutes(1, TUESDAY_MS, 1);
    away.push(sent[6].version(2));
    // The ring has room for fewer bars.
    away.extend(minutes(50, TUESDAY_MS + 60_000, 1_000));
    here.publish(&away);
    sent.extend(away);
    let oldest = barbus::Reader::open(here.path()).and_then(|reader| reader.start_at(barbus::Start::Oldest));
    assert!(oldest.expect("a ring").position() > 1_400, "the ring has not turned");
    out.run();
    let after = minutes(50, TUESDAY_MS + 1_001 * 60_000, 10);
    here.publish(&after);
    sent.extend(after);
    here.close_day();
    watcher.until_closes(2);
    assert_archives([&here, &there], &sent);
    watcher.finish();
    into.stop();
    out.stop();
    let report = &reports(&there)[0];
    assert_eq!((&report["missed"], &report["rejected"]), (&0.into(), &0.into()), "{report}");
}

/// Both rings are made anew, one after the other: bars have other numbers then.
#[test]
fn rings_that_are_made_anew_lose_and_double_nothing() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Debian, &machine) else { return };
    let client = Client::new(&machine, &server.url());
    let (mut here, mut there) = (TestBus::start(), TestBus::start());
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &server.url(), &[]);
    let watcher = Watcher::follow(&there);
    let mut sent = minutes(20, MONDAY_MS, 50);
    sent.extend(sent.clone().iter().step_by(3).map(|bar| bar.version(1)));
    here.publish(&sent);
    watcher.until_bars(sent.len() as u64);
    here.close_day();
    watcher.until_closes(1);
    watcher.finish();
    let mut publish = |here: &TestBus, there: &TestBus, bars: Vec<Bar>| {
        here.publish(&bars);
        sent.extend(bars);
        let newest = sent[sent.len() - 1];
        wait::until("the newest bar", || {
            let reader = barbus::Reader::open(there.path()).ok()?;
            let mut reader = reader.anonymous();
            let bar = reader.latest(&newest.name()).ok()??;
            (bar.frame_ms == newest.frame_ms).then_some(())
        });
    };
    here.stop();
    std::fs::remove_file(here.directory.ring()).expect("the ring is there");
    here.run();
    publish(&here, &there, minutes(20, TUESDAY_MS, 10));
    there.stop();
    std::fs::remove_file(there.directory.ring()).expect("the ring is there");
    there.run();
    publish(&here, &there, minutes(20, TUESDAY_MS + 10 * 60_000, 10));
    here.close_day();
    there.close_day();
    assert_archives([&here, &there], &sent);
    into.stop();
    out.stop();
}

/// A stream may begin with everything that the archive has.
#[test]
fn a_new_stream_begins_with_the_archive() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let (here, there) = (TestBus::start(), TestBus::start());
    let mut sent = Vec::new();
    for day in 0..3 {
        let bars = minutes(10, MONDAY_MS + day * DAY_MS, 100);
        here.publish(&bars);
        here.publish(&bars.iter().step_by(9).map(|bar| bar.version(1)).collect::<Vec<_>>());
        sent.extend(bars.iter().step_by(9).map(|bar| bar.version(1)));
        sent.extend(bars);
        here.close_day();
    }
    let client = Client::new(&machine, &server.url());
    let [mut out, mut into] =
        start_both(&client, (&machine, &here), (&machine, &there), &server.url(), &["--start", "all"]);
    let watcher = Watcher::follow(&there);
    watcher.until_closes(3);
    assert_archives([&here, &there], &sent);
    // Each bar came in its last revision only.
    assert_eq!(watcher.finish().len(), 3 * 1_000 + 3);
    into.stop();
    out.stop();
}

/// Several buses share a stream, each with a prefix, and each bus gets the one that it asks for.
#[test]
fn buses_share_a_stream() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let url = server.url();
    let names = ["desk.one", "desk.two"];
    let buses = names.map(|_| [TestBus::start(), TestBus::start()]);
    let mut relays = Vec::new();
    for (name, [here, _]) in names.iter().zip(&buses) {
        relays.push(Relay::start(&machine, Direction::Out, here, &url, &["--prefix", name]));
    }
    let client = Client::new(&machine, &url);
    relays.iter_mut().for_each(|relay| relay.until_begun(&client));
    wait::until("both prefixes", || {
        let stream = client.stream(STREAM)?;
        (stream.config.subjects.len() == 2).then_some(())
    });
    for (name, [_, there]) in names.iter().zip(&buses) {
        relays.push(Relay::start(&machine, Direction::In, there, &url, &["--prefix", name]));
    }
    let watchers = buses.each_ref().map(|[_, there]| Watcher::follow(there));
    let bars = [minutes(5, MONDAY_MS, 200), minutes(7, MONDAY_MS, 200)];
    for part in 0..20 {
        for ([here, _], bars) in buses.iter().zip(&bars) {
            let count = bars.len() / 20;
            here.publish(&bars[part * count..(part + 1) * count]);
        }
    }
    for ((watcher, bars), [here, there]) in watchers.into_iter().zip(&bars).zip(&buses) {
        watcher.until_bars(bars.len() as u64);
        here.close_day();
        watcher.until_closes(1);
        watcher.finish();
        assert_archives([here, there], bars);
    }
    relays.iter_mut().for_each(Relay::stop);
}

/// A stream that is deleted begins anew with the open day. What a bus had not read is counted.
#[test]
fn a_stream_that_is_deleted_begins_anew_and_bars_that_it_lacks_are_counted() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let client = Client::new(&machine, &server.url());
    let (here, there) = (TestBus::start(), TestBus::start());
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &server.url(), &[]);
    let watcher = Watcher::follow(&there);
    here.publish(&minutes(5, MONDAY_MS, 10));
    watcher.until_bars(50);
    into.stop();
    here.publish(&minutes(5, MONDAY_MS + 600_000, 3));
    here.close_day();
    wait::until("the relay to send them", || {
        let reports = reports(&here);
        (reports[0]["next_seq"] == 65).then_some(())
    });
    client.ask(async |context| context.delete_stream(STREAM).await.expect("it is deleted"));
    here.publish(&minutes(5, TUESDAY_MS, 4));
    wait::until("a new stream", || client.stream(STREAM).filter(|info| info.state.messages > 1).map(drop));
    into.run();
    watcher.until_bars(70);
    let missed = || reports(&there)[0]["missed"].as_u64();
    wait::until("the count of missing bars", || (missed() == Some(15)).then_some(()));
    assert_eq!(watcher.finish().iter().filter(|seen| matches!(seen, Seen::Bar(_))).count(), 70);
    into.stop();
    out.stop();
}

/// What an operator withdraws here leaves the archive there, also if the relay was away meanwhile.
#[test]
fn withdrawn_bars_are_withdrawn_there() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let client = Client::new(&machine, &server.url());
    let (here, there) = (TestBus::start(), TestBus::start());
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &server.url(), &[]);
    let bars = minutes(4, MONDAY_MS, 20);
    here.publish(&bars);
    here.close_day();
    let archived = |bus: &TestBus| bus.days().into_iter().flat_map(|(_, bars)| bars).collect::<Vec<Bar>>();
    let until_equal = |expected: &[Bar]| {
        let mut expected = expected.to_vec();
        expected.sort();
        for bus in [&here, &there] {
            wait::until("the archive", || {
                let mut bars = archived(bus);
                bars.sort();
                (bars == expected).then_some(())
            });
        }
    };
    until_equal(&bars);
    let withdraw = |symbol: u32| {
        let mut selection = barbus::Selection::of_day("2024-03-04".parse().expect("a date"));
        selection.symbols.push(Bar::new(symbol, 0).name());
        let done = barbus::request_withdraw(&here.directory, &selection).expect("the daemon withdraws bars");
        assert_eq!(done.withdrawn, 20);
    };
    withdraw(3);
    let mut left: Vec<Bar> = bars.iter().copied().filter(|bar| bar.symbol != 3).collect();
    until_equal(&left);
    // Right ones follow. Then the relay is away for a withdrawal between two batches.
    let right: Vec<Bar> = bars.iter().filter(|bar| bar.symbol == 3).map(|bar| bar.version(1)).collect();
    here.publish(&right);
    left.extend(&right);
    until_equal(&left);
    out.stop();
    here.publish(&left.iter().filter(|bar| bar.symbol == 2).map(|bar| bar.version(1)).collect::<Vec<_>>());
    withdraw(2);
    let again: Vec<Bar> = bars.iter().filter(|bar| bar.symbol == 2).take(7).map(|bar| bar.version(2)).collect();
    here.publish(&again);
    out.run();
    left.retain(|bar| bar.symbol != 2);
    left.extend(&again);
    until_equal(&left);
    into.stop();
    out.stop();
    // Started again, the relay withdraws nothing a second time.
    out.run();
    into.run();
    here.publish(&minutes(4, TUESDAY_MS, 5));
    here.close_day();
    left.extend(minutes(4, TUESDAY_MS, 5));
    until_equal(&left);
    into.stop();
    out.stop();
}
