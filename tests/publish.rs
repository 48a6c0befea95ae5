//! `barbus publish`: every format and vendors' names, exact counts, the same archive for each.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::support::bus::{Bus, Counts};
use crate::support::command::{self, Running};
use crate::support::market::{self, Bar};
use crate::support::oracle::{self, Published};
use crate::support::python;

const SYMBOLS: [&str; 3] = ["600000.XSHG", "000001.XSHE", "688001.XSHG"];

/// Promise 8: known bars are duplicates, so a format that yields other values would show.
#[test]
fn every_format_gives_the_same_bars() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS, "2024-03-04");
    let csv = bus.write("bars.csv", market::csv(&bars));
    python::run("convert.py", [csv.as_os_str(), bus.beside("").as_os_str()]).ok();

    assert_eq!(bus.publish(&csv, &[]), Counts::all_accepted(bars.len()));
    for name in ["bars.csv.gz", "bars.ndjson", "bars.parquet", "bars.arrow", "bars.arrows"] {
        assert_eq!(bus.publish(&bus.beside(name), &[]), all_duplicate(bars.len()), "{name}");
    }
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &[csv]);
}

#[test]
fn standard_input_is_read_like_a_file() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS[..1], "2024-03-04");
    let csv = bus.write("bars.csv", market::csv(&bars));
    python::run("convert.py", [csv.as_os_str(), bus.beside("").as_os_str()]).ok();

    let mut expected = Counts::all_accepted(bars.len());
    for name in ["bars.csv", "bars.csv.gz", "bars.ndjson", "bars.arrows"] {
        let mut publish = command::barbus();
        publish.arg("publish").arg(bus.path()).args(["-", "--format", "json"]);
        let input = std::fs::read(bus.beside(name)).expect("just written");
        let counts = Counts::of(&command::finish(&mut publish, Some(&input)).json());
        assert_eq!(counts, expected, "{name}");
        expected = all_duplicate(bars.len());
    }
}

/// Digits that are lost are reported once, by command and daemon, and the bars are taken.
#[test]
fn lost_digits_are_reported_once() {
    let bus = Bus::running("XSHG");
    let row = |minute: u32, volume: &str| format!("A,2024-03-04 09:{minute}:00,1,1,1,1,{volume}\n");
    let header = "symbol,frame,open,high,low,close,volume\n";
    let large = header.to_owned() + &row(31, "9007199254740993") + &row(32, "9007199254740995");
    for (name, text, lost) in [("large.csv", large, true), ("exact.csv", header.to_owned() + &row(33, "5"), false)] {
        let csv = bus.write(name, text);
        let run = bus.barbus("publish", [csv.as_os_str()]);
        assert!(run.status.success(), "{run}");
        assert_eq!(run.stderr.matches("volume: values have more digits").count(), usize::from(lost), "{run}");
    }
    assert_eq!(bus.stat()["bars"], 3);
    assert_eq!(bus.log().matches("more digits than a 64-bit float holds").count(), 1);
}

/// Bytes behind the gzip data are named as what they are; the rows before them are published.
#[test]
fn bytes_behind_the_gzip_data_are_named() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS[..1], "2024-03-04");
    let csv = bus.write("bars.csv", market::csv(&bars));
    python::run("convert.py", [csv.as_os_str(), bus.beside("").as_os_str()]).ok();
    let mut bytes = std::fs::read(bus.beside("bars.csv.gz")).expect("just written");
    bytes.extend(b"garbage");
    std::fs::write(bus.beside("bars.csv.gz"), bytes).expect("can be written");
    bus.barbus("publish", [bus.beside("bars.csv.gz").as_os_str()]).fails(1, &["bytes that are no gzip follow"]);
    assert_eq!(bus.stat()["bars"], bars.len());
}

/// Promise 6 with `--ack durable`: a bar is acknowledged when it is on disk.
#[test]
fn publish_with_durable_acks_waits_for_the_disk() {
    let mut bus = Bus::init("XSHG");
    bus.configure("# sync = \"1s\"", "sync = \"1h\"");
    bus.start();
    let bars = market::xshg_day(&SYMBOLS[..1], "2024-03-04");
    let csv = bus.write("bars.csv", market::csv(&bars));
    assert_eq!(bus.publish(&csv, &["--ack", "durable"]), Counts::all_accepted(bars.len()));
    // The durable cursor of docs/FORMAT.md: block 1, every row.
    let ring = std::fs::read(bus.ring()).expect("the ring can be read");
    let durable = u64::from_le_bytes(ring[4992..5000].try_into().expect("eight bytes"));
    assert_eq!(durable, 1 << 32 | bars.len() as u64);
    let wrong = bus.barbus("publish", [csv.as_os_str(), "--ack".as_ref(), "soon".as_ref()]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong}");
}

#[test]
fn vendors_names_zones_and_labels_are_understood() {
    let bus = Bus::running("XSHG");
    let bars = market::xshg_day(&SYMBOLS[..2], "2024-03-04");
    let canonical = bus.write("bars.csv", market::csv(&bars));
    assert_eq!(bus.publish(&canonical, &[]), Counts::all_accepted(bars.len()));

    // Epoch milliseconds of the bar's start, as in the kline interfaces of exchanges.
    let klines = vendor(&bars, "code,open_time,o,h,l,c,vol,quote_volume,factor", |bar| {
        (bar.frame.as_millisecond() - 60_000).to_string()
    });
    let klines = bus.write("klines.csv", klines);
    assert_eq!(bus.publish(&klines, &["--label", "start"]), all_duplicate(bars.len()));

    // Wall-clock times of the market without a zone.
    let local = vendor(&bars, "Ticker,DateTime,Open,High,Low,Close,Volume,Amount,Factor", |bar| {
        bar.frame.in_tz("Asia/Shanghai").expect("a known zone").strftime("%Y-%m-%d %H:%M").to_string()
    });
    let local = bus.write("local.csv", local);
    assert_eq!(bus.publish(&local, &["--zone", "Asia/Shanghai"]), all_duplicate(bars.len()));

    // Names that cannot be guessed, given by --map.
    let told = vendor(&bars, "who,when,open,high,low,close,lots,cash,factor", |bar| bar.frame.to_string());
    let told = bus.write("told.csv", told);
    let map = "symbol=who,frame=when,volume=lots,money=cash";
    assert_eq!(bus.publish(&told, &["--map", map]), all_duplicate(bars.len()));
}

/// Promise 7: every bar is once in the file of its own day, late or not.
#[test]
fn file_order_and_feed_order_end_in_the_same_archive() {
    // Rows are grouped by symbol, so in file order all days except the first arrive late.
    let mut bars: Vec<Bar> =
        ["2024-03-01", "2024-03-04", "2024-03-05"].iter().flat_map(|date| market::xshg_day(&SYMBOLS, date)).collect();
    bars.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    for options in [&[][..], &["--as-is"]] {
        let bus = Bus::running("XSHG");
        let csv = bus.write("bars.csv", market::csv(&bars));
        assert_eq!(bus.publish(&csv, options), Counts::all_accepted(bars.len()), "{options:?}");
        bus.close_day();
        oracle::assert_archive(&bus, &Published::XSHG, &[csv]);
    }
}

/// Promise 8: other values are a revision, and the archive keeps the last.
#[test]
fn the_last_revision_wins() {
    let bus = Bus::running("XSHG");
    let first = market::xshg_day(&SYMBOLS, "2024-03-04");
    let mut revised = first.clone();
    for bar in revised.iter_mut().step_by(7) {
        bar.close = bar.low;
    }
    // This revision adds a value that was null.
    let gained = revised.iter().position(|bar| bar.money.is_none()).expect("some have no money");
    revised[gained].money = Some(1.0);
    let changed = first.iter().zip(&revised).filter(|(a, b)| a != b).count() as u64;
    let files = [bus.write("first.csv", market::csv(&first)), bus.write("revised.csv", market::csv(&revised))];

    assert_eq!(bus.publish(&files[0], &[]), Counts::all_accepted(first.len()));
    let rows = revised.len() as u64;
    let counts = Counts { rows, duplicate: rows - changed, revised: changed, ..Counts::default() };
    assert_eq!(bus.publish(&files[1], &[]), counts);
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &files);
}

/// Promise 7, with many producers.
#[test]
fn many_producers_at_once_lose_nothing() {
    let bus = Bus::running("XSHG");
    let symbols: Vec<String> = (0..8).map(|number| format!("60000{number}.XSHG")).collect();
    let files: Vec<_> = symbols
        .iter()
        .map(|symbol| bus.write(&format!("{symbol}.csv"), market::csv(&market::xshg_day(&[symbol], "2024-03-04"))))
        .collect();
    let publish = |file| {
        let mut command = command::barbus();
        command.arg("publish").arg(bus.path()).arg(file).args(["--format", "json"]);
        Running::start(&mut command, false)
    };
    let running: Vec<Running> = files.iter().map(publish).collect();
    for publisher in running {
        assert_eq!(Counts::of(&publisher.finish().json()), Counts::all_accepted(240));
    }
    bus.close_day();
    oracle::assert_archive(&bus, &Published::XSHG, &files);
}

/// Promise 8: of producers that send the same bars at the same time, each bar is accepted once.
#[test]
fn overlapping_producers_have_each_bar_accepted_once() {
    let bus = Bus::running("XSHG");
    let symbols: Vec<String> = (0..6).map(|number| format!("60000{number}.XSHG")).collect();
    // Every producer has three symbols and shares two with each neighbour.
    let files: Vec<_> = (0..symbols.len())
        .map(|first| {
            let names: Vec<&str> = (0..3).map(|next| symbols[(first + next) % symbols.len()].as_str()).collect();
            bus.write(&format!("{first}.csv"), market::csv(&market::xshg_day(&names, "2024-03-04")))
        })
        .collect();
    let publish = |file| {
        let mut command = command::barbus();
        command.arg("publish").arg(bus.path()).arg(file).args(["--format", "json"]);
        Running::start(&mut command, false)
    };
    let running: Vec<Running> = files.iter().map(publish).collect();
    let sum = running.into_iter().map(|publisher| Counts::of(&publisher.finish().json()));
    let sum = sum.reduce(Counts::plus).expect("six of them");
    let (rows, accepted) = (6 * 3 * 240, 6 * 240);
    assert_eq!(sum, Counts { rows, accepted, duplicate: rows - accepted, ..Counts::default() });
    let stat = bus.stat();
    assert_eq!((&stat["accepted"], &stat["duplicates"]), (&accepted.into(), &(rows - accepted).into()), "{stat}");
    bus.close_day();
    assert_eq!(oracle::assert_archive(&bus, &Published::XSHG, &files), sum);
}

#[test]
fn a_speed_keeps_the_distance_between_minutes() {
    let bus = Bus::running("XSHG");
    let bars = market::minutes(&SYMBOLS, "2024-03-04T01:31:00Z", 6);
    let csv = bus.write("bars.csv", market::csv(&bars));
    let start = Instant::now();
    // Five minutes between the first and the last bar take a second at a speed of 300x.
    assert_eq!(bus.publish(&csv, &["--speed", "300x"]), Counts::all_accepted(bars.len()));
    assert!(start.elapsed() >= Duration::from_secs(1), "after {:?}", start.elapsed());
}

fn all_duplicate(rows: usize) -> Counts {
    let rows = rows as u64;
    Counts { rows, duplicate: rows, ..Counts::default() }
}

/// These bars under a vendor's header and with the vendor's time format.
fn vendor(bars: &[Bar], header: &str, time: impl Fn(&Bar) -> String) -> String {
    let canonical = market::csv(bars);
    let mut text = format!("{header}\n");
    for (bar, line) in bars.iter().zip(canonical.lines().skip(1)) {
        let (symbol, rest) = line.split_once(',').expect("a symbol");
        let (_, values) = rest.split_once(',').expect("a frame");
        writeln!(text, "{symbol},{},{values}", time(bar)).expect("a string can be written");
    }
    text
}
