//! A machine whose wall clock is wrong.

use jiff::Timestamp;

use crate::support::bus::TestBus;
use crate::support::client::Client;
use crate::support::fake_clock::FakeClock;
use crate::support::market::{Bar, MINUTE_MS, batch};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::relay::{Direction, Relay};
use crate::support::wait;
use crate::support::watcher::Watcher;

/// The clock there is some minutes behind, and then so far behind that its daemon would take the
/// bars for bars of the future: they wait until the clock is set.
#[test]
fn bars_are_not_lost_where_the_clock_is_behind() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    let (here, mut there) = (TestBus::start(), TestBus::init("24x7", &[]));
    let now = Timestamp::now();
    let Some(clock) = FakeClock::showing(&now.to_string(), there.beside("clock")) else { return };
    clock.step(-5 * 60);
    there.set_clock(&clock);
    there.run();
    let client = Client::new(&machine, &server.url());
    let mut out = Relay::start(&machine, Direction::Out, &here, &server.url(), &[]);
    out.until_begun(&client);
    let mut into = Relay::new(&machine, Direction::In, &there, &server.url(), &[]);
    into.set_clock(&clock);
    into.run();
    let watcher = Watcher::follow(&there);
    let mut publisher = here.publisher();
    let last_ms = now.as_millisecond() / MINUTE_MS * MINUTE_MS;
    let mut publish = |frame_ms: i64| {
        let bars: Vec<Bar> = (0..10).map(|symbol| Bar::new(symbol, frame_ms)).collect();
        publisher.send(&batch(&bars)).expect("the daemon takes bars");
        publisher.done(frame_ms).expect("the daemon takes watermarks");
    };
    publish(last_ms - 2 * MINUTE_MS);
    publish(last_ms - MINUTE_MS);
    watcher.until_bars(20);

    clock.step(-15 * 60);
    publish(last_ms);
    wait::until("a word about the clock", || {
        let process = into.process();
        process.assert_running();
        process.log().contains("set the clock").then_some(())
    });
    assert_eq!(watcher.bars(), 20);
    clock.step(0);
    watcher.until_bars(30);
    assert_eq!(watcher.finish().len(), 30);
    assert!(there.stat().quarantined.is_empty(), "{:?}", there.stat().quarantined);
    into.stop();
    out.stop();
}

/// A clock there that is an hour ahead changes nothing.
#[test]
fn bars_arrive_where_the_clock_is_ahead() {
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Debian, &machine) else { return };
    let (here, mut there) = (TestBus::start(), TestBus::init("24x7", &[]));
    let now = Timestamp::now();
    let Some(clock) = FakeClock::showing(&now.to_string(), there.beside("clock")) else { return };
    clock.step(3_600);
    there.set_clock(&clock);
    there.run();
    let client = Client::new(&machine, &server.url());
    let mut out = Relay::start(&machine, Direction::Out, &here, &server.url(), &[]);
    out.until_begun(&client);
    let mut into = Relay::new(&machine, Direction::In, &there, &server.url(), &[]);
    into.set_clock(&clock);
    into.run();
    let watcher = Watcher::follow(&there);
    let last_ms = now.as_millisecond() / MINUTE_MS * MINUTE_MS;
    for minute in (0..5).rev() {
        let frame_ms = last_ms - minute * MINUTE_MS;
        here.publish(&(0..10).map(|symbol| Bar::new(symbol, frame_ms)).collect::<Vec<_>>());
    }
    watcher.until_bars(50);
    assert_eq!(watcher.finish().len(), 50);
    into.stop();
    out.stop();
}
