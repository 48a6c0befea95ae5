//! A day of 5,000 symbols a minute at 200 times the speed of the market.
//!
//! `BARBUS_RELAY_MINUTES` sets the number of minutes (12); a whole day has 240.

use std::time::{Duration, Instant};

use crate::support::bus::{TestBus, assert_archives};
use crate::support::client::Client;
use crate::support::market::{MINUTE_MS, MONDAY_MS, batch, minutes};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::random;
use crate::support::relay::{Relay, start_both};
use crate::support::watcher::Watcher;

const SYMBOLS: u32 = 5_000;
const SPEED: f64 = 200.0;

#[test]
fn a_fast_day_of_many_symbols_arrives() {
    let count = random::setting("BARBUS_RELAY_MINUTES", 12) as i64;
    let machine = Machine::local();
    let Some(server) = Server::start(Release::Newest, &machine) else { return };
    // About 2.5 million bars, more than a day.
    let large = [("# size = \"256MB\"", "size = \"256MB\""), ("# rows_per_block = 16384", "rows_per_block = 16384")];
    let [here, there] = [(); 2].map(|()| TestBus::with("24x7", &large));
    let client = Client::new(&machine, &server.url());
    let mut relays = start_both(&client, (&machine, &here), (&machine, &there), &server.url(), &[]);
    let watchers = [&here, &there].map(Watcher::follow);
    let mut publisher = here.publisher();
    let (mut sent, began) = (Vec::new(), Instant::now());
    for minute in 0..count {
        let bars = minutes(SYMBOLS, MONDAY_MS + minute * MINUTE_MS, 1);
        for part in bars.chunks(1_000) {
            publisher.queue(&batch(part)).expect("the daemon takes bars");
        }
        publisher.done(MONDAY_MS + (minute + 1) * MINUTE_MS).expect("the daemon takes watermarks");
        sent.extend(bars);
        let due = Duration::from_secs_f64((minute + 1) as f64 * 60.0 / SPEED);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    publisher.finish().expect("the daemon takes bars");
    let published = began.elapsed();
    watchers[1].until_bars(sent.len() as u64);
    println!("{} bars: published in {published:.2?}, all there {:.2?} later", sent.len(), began.elapsed() - published);
    here.close_day();
    watchers.iter().for_each(|watcher| watcher.until_closes(1));
    let [seen_here, seen_there] = watchers.map(Watcher::finish);
    assert!(seen_here == seen_there, "the two readers saw different things");
    assert_archives([&here, &there], &sent);
    relays.iter_mut().for_each(Relay::stop);
}
