//! Bad input: each gets an error that says what to do, and nothing is lost or overwritten.

use std::process::Command;

use async_nats::jetstream::stream::Config;

use crate::support::bus::TestBus;
use crate::support::client::Client;
use crate::support::market::{Bar, MONDAY_MS, minutes};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::relay::{Direction, Relay, STREAM, reports, start_both};
use crate::support::wait;
use crate::support::watcher::Watcher;

/// Runs a relay that ends by itself, and asserts that its message has all of `words`.
#[track_caller]
fn refused(direction: Direction, bus: &TestBus, url: &str, more: &[&str], words: &[&str]) {
    let output = Relay::new(&Machine::local(), direction, bus, url, more).output();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{direction:?} {more:?}: {text}");
    let message = text.lines().find(|line| line.starts_with("barbus: "));
    let message = message.unwrap_or_else(|| panic!("no message in {text}"));
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// A relay that goes on trying says why.
fn until_logged(relay: &mut Relay, words: &[&str]) {
    wait::until(&format!("{words:?} in the log"), || {
        let process = relay.process();
        process.assert_running();
        let log = process.log();
        words.iter().all(|word| log.contains(word)).then_some(())
    });
}

#[test]
fn a_server_that_is_missing_or_has_no_streams_is_named() {
    let bus = TestBus::start();
    let machine = Machine::local();
    let url = format!("nats://127.0.0.1:{}", machine.free_port());
    for direction in [Direction::Out, Direction::In] {
        refused(direction, &bus, &url, &[], &["no server answers", &url, "--nats"]);
    }
    for release in [Release::Debian, Release::Newest] {
        let Some(server) = Server::without_streams(release, &machine) else { continue };
        for direction in [Direction::Out, Direction::In] {
            refused(direction, &bus, &server.url(), &[], &["no JetStream", "-js"]);
        }
    }
}

#[test]
fn a_stream_that_is_missing_or_has_other_limits_is_refused() {
    let Some(server) = Server::start(Release::Newest, &Machine::local()) else { return };
    let bus = TestBus::start();
    let (url, client) = (server.url(), Client::new(&Machine::local(), &server.url()));
    refused(Direction::In, &bus, &url, &[], &["no such stream", "barbus-relay out"]);
    let mut out = Relay::start(&Machine::local(), Direction::Out, &bus, &url, &["--keep", "2d"]);
    out.until_begun(&client);
    out.stop();
    refused(Direction::Out, &bus, &url, &["--keep", "3d"], &["max_age is 172800s, not 259200s"]);
    refused(Direction::Out, &bus, &url, &["--keep", "1GB"], &["max_bytes is -1, not 1000000000"]);
    refused(Direction::Out, &bus, &url, &["--replicas", "3"], &["num_replicas is 1, not 3"]);
    // Somebody's stream that forgets messages.
    client.ask(async |context| {
        let config = Config { name: "SHORT".into(), subjects: vec!["short.>".into()], ..Config::default() };
        let config = Config { max_messages_per_subject: 5, ..config };
        context.create_stream(config).await.expect("a stream");
    });
    let more = ["--stream", "SHORT", "--prefix", "short"];
    refused(Direction::Out, &bus, &url, &more, &["max_msgs_per_subject is 5, not -1"]);
    let info = client.stream("SHORT").expect("it is there");
    assert_eq!((info.state.messages, info.config.max_messages_per_subject), (0, 5), "it was changed");
}

#[test]
fn an_account_without_rights_is_told_which_it_needs() {
    let settings = "authorization { users: [ { user: relay, password: secret }, \
         { user: guest, password: guest, permissions: { publish: \"nothing\", subscribe: \">\" } } ] }\n";
    let machine = Machine::local();
    let Some(server) = Server::with(Release::Debian, &machine, settings) else { return };
    let bus = TestBus::start();
    let file = |name: &str, text: &str| {
        let path = bus.beside(name);
        std::fs::write(&path, text).expect("ours");
        path.to_str().expect("UTF-8").to_owned()
    };
    let url = server.url();
    refused(Direction::Out, &bus, &url, &[], &["does not accept this account", "--user-file"]);
    let wrong = file("wrong", "relay:guess\n");
    refused(Direction::Out, &bus, &url, &["--user-file", &wrong], &["does not accept this account"]);
    let empty = file("empty", "relay\n");
    refused(Direction::Out, &bus, &url, &["--user-file", &empty], &["USER:PASSWORD"]);
    refused(Direction::Out, &bus, &url, &["--creds", &empty], &["not a credentials file"]);
    let guest = file("guest", "guest:guest\n");
    let mut relay = Relay::start(&machine, Direction::Out, &bus, &url, &["--user-file", &guest]);
    until_logged(&mut relay, &["ermissions", "give the account of the relay these rights"]);
    relay.stop();
    let right = file("right", "relay:secret\n");
    let mut relay = Relay::start(&machine, Direction::Out, &bus, &url, &["--user-file", &right]);
    until_logged(&mut relay, &["the stream was made"]);
    relay.stop();
}

#[test]
fn a_stream_of_another_bus_or_with_other_columns_is_refused() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Debian, &machine) else { return };
    let (url, client) = (server.url(), Client::new(&machine, &server.url()));
    let (here, there) = (TestBus::start(), TestBus::start());
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &url, &[]);
    let watcher = Watcher::follow(&there);
    here.publish(&minutes(5, MONDAY_MS, 10));
    watcher.until_bars(50);
    out.stop();
    into.stop();
    // Another bus, whose directory has the same name.
    let other = TestBus::start();
    other.publish(&minutes(5, MONDAY_MS, 10));
    let before = client.stream(STREAM).expect("it is there").state.messages;
    refused(Direction::Out, &other, &url, &[], &["the bars of another bus", "--prefix"]);
    assert_eq!(client.stream(STREAM).expect("it is there").state.messages, before, "something was published");

    let narrow = TestBus::with("24x7", &[("# optional = [\"money\", \"factor\"]", "optional = [\"money\"]")]);
    refused(Direction::In, &narrow, &url, &[], &["the bus has no column factor", "bus.toml"]);
    let single = TestBus::with("24x7", &[("# price = \"float64\"", "price = \"float32\"")]);
    refused(Direction::In, &single, &url, &[], &["open Float64", "open Float32"]);
    let elsewhere = TestBus::with("24x7", &[("# zone = \"\"", "zone = \"Asia/Shanghai\"")]);
    refused(Direction::In, &elsewhere, &url, &[], &["UTC", "Asia/Shanghai"]);
    for bus in [&narrow, &single, &elsewhere] {
        assert_eq!(bus.stat().bars, 0, "something was published");
    }

    // The stream becomes that of another bus: the receiver does not mix the two.
    client.ask(async |context| context.delete_stream(STREAM).await.expect("it is deleted"));
    let mut out = Relay::start(&machine, Direction::Out, &other, &url, &[]);
    out.until_begun(&client);
    refused(Direction::In, &there, &url, &[], &["another bus", "position file"]);
    assert_eq!(watcher.finish().len(), 50);
    out.stop();
}

#[test]
fn messages_that_are_not_ours_are_skipped_and_counted() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let (url, client) = (server.url(), Client::new(&machine, &server.url()));
    let (here, there) = (TestBus::start(), TestBus::start());
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &url, &[]);
    let watcher = Watcher::follow(&there);
    let bars = minutes(5, MONDAY_MS, 30);
    let publish = |from: usize, to: usize| here.publish(&bars[from..to]);
    publish(0, 50);
    watcher.until_bars(50);
    out.stop();
    client.publish("barbus.bus.bars", b"not Arrow");
    client.publish("barbus.bus.other", b"");
    // The order of the stream is no longer that of the ring, so a person has to look at it.
    refused(Direction::Out, &here, &url, &[], &["is not from a relay", "nats stream rmm"]);
    client.ask(async |context| {
        let stream = context.get_stream(STREAM).await.expect("it is there");
        let last = stream.get_info().await.expect("it is there").state.last_sequence;
        stream.delete_message(last).await.expect("it is deleted");
        stream.delete_message(last - 1).await.expect("it is deleted");
    });
    publish(50, 100);
    out.run();
    watcher.until_bars(100);
    let foreign = || {
        let all = reports(&there);
        all.iter().find(|report| report["direction"] == "in").and_then(|report| report["foreign"].as_u64())
    };
    wait::until("the count of foreign messages", || (foreign() == Some(2)).then_some(()));
    publish(100, 150);
    watcher.until_bars(150);
    assert_eq!(watcher.finish().len(), 150);
    into.stop();
    out.stop();
}

#[test]
fn a_bus_is_relayed_out_once() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let (url, client) = (server.url(), Client::new(&machine, &server.url()));
    let (mut here, there) = (TestBus::start(), TestBus::start());
    let [mut out, mut into] = start_both(&client, (&machine, &here), (&machine, &there), &url, &[]);
    let watcher = Watcher::follow(&there);
    here.publish(&minutes(5, MONDAY_MS, 10));
    watcher.until_bars(50);
    refused(Direction::Out, &here, &url, &[], &["another process relays this bus", "stop it first"]);

    // A copy of the bus, such as a restored backup, on a machine that cannot see the lock.
    out.stop();
    here.stop();
    let mut copy = TestBus::init("24x7", &[]);
    std::fs::remove_dir_all(copy.path()).expect("ours");
    let copied = Command::new("cp").arg("-a").arg(here.path()).arg(copy.path()).status();
    assert!(copied.expect("cp runs").success());
    here.run();
    copy.run();
    out.run();
    let mut second = Relay::start(&machine, Direction::Out, &copy, &url, &[]);
    let mut minute = 10;
    let mut publish = || {
        let bars: Vec<Bar> = (0..5).map(|symbol| Bar::new(symbol, MONDAY_MS + minute * 60_000)).collect();
        minute += 1;
        here.publish(&bars);
        copy.publish(&bars);
    };
    // Either may end: the one whose messages always come second.
    let first_has_ended = wait::until("the end of one of the two relays", || {
        publish();
        match (out.process().has_ended(), second.process().has_ended()) {
            (false, false) => None,
            (first, _) => Some(first),
        }
    });
    let (mut ended, mut stays) = if first_has_ended { (out, second) } else { (second, out) };
    let log = ended.process().log();
    assert_eq!(ended.end().code(), Some(1), "{log}");
    assert!(log.contains("barbus: ") && log.contains("another barbus-relay out publishes this bus"), "{log}");
    // The other one goes on, and the reader there has seen each bar once.
    publish();
    watcher.until_bars(here.stat().bars);
    stays.stop();
    assert_eq!(watcher.finish().len() as u64, here.stat().bars);
    into.stop();
}

#[test]
fn a_bus_without_a_daemon_is_refused() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let (url, client) = (server.url(), Client::new(&machine, &server.url()));
    let here = TestBus::start();
    let mut out = Relay::start(&machine, Direction::Out, &here, &url, &[]);
    out.until_begun(&client);
    let there = TestBus::init("24x7", &[]);
    refused(Direction::In, &there, &url, &[], &["daemon"]);
    refused(Direction::Out, &there, &url, &[], &["ring"]);
    out.stop();
}

/// It would feed the bus with its own bars, and a withdrawal would go round for ever.
#[test]
fn a_bus_is_not_relayed_into_itself() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let bus = TestBus::start();
    let mut out = Relay::start(&machine, Direction::Out, &bus, &server.url(), &[]);
    out.until_begun(&Client::new(&machine, &server.url()));
    bus.publish(&minutes(2, MONDAY_MS, 2));
    refused(Direction::In, &bus, &server.url(), &[], &["the bars of this bus itself", "another bus"]);
    out.stop();
}
