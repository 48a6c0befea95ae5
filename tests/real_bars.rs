//! Years of real bars of three markets, compared with the archive by an oracle (promise 7).
//!
//! The tests need `BARBUS_DATA` and report that they are skipped without it.

use std::path::PathBuf;

use crate::support::bus::{Bus, Counts};
use crate::support::data::{self, Market};
use crate::support::oracle::{self, Published};

#[test]
fn mainland_stocks() {
    publish_and_compare(&data::XSHG);
}

#[test]
fn us_stocks_with_extended_hours() {
    publish_and_compare(&data::XNYS);
}

#[test]
fn crypto_around_the_clock() {
    publish_and_compare(&data::CRYPTO);
}

fn publish_and_compare(market: &Market) {
    let Some(folder) = data::folder() else { return };
    let bus = Bus::running(market.calendar);
    let files: Vec<PathBuf> = market.sources.iter().map(|source| folder.join(source.name)).collect();
    let mut sum = Counts::default();
    for (file, source) in files.iter().zip(market.sources) {
        let counts = bus.publish(file, &["--label", source.label]);
        println!("{}: {counts:?}", source.name);
        sum = sum.plus(counts);
    }
    bus.close_day();
    let how = Published { market: market.calendar, label: market.sources[0].label, price: "double" };
    let expected = oracle::assert_archive(&bus, &how, &files);
    assert_eq!(sum, expected, "the counts of publish differ from the input");
    bus.barbus("verify", [] as [&str; 0]).ok();
}
