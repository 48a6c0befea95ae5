//! docs/FORMAT.md is sufficient: `follow_ring.py`, written only from it, follows rings.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::bus::{Bus, Counts};
use crate::support::command::Running;
use crate::support::market::{self, Bar};
use crate::support::producer::{self, Producer};
use crate::support::{python, wait};

const SCRIPT: &str = "follow_ring.py";
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/barbus-ring/tests/golden");
/// A day in the future, so that the clock does not close it.
const DAY: &str = "2040-03-04";

/// Promise 3: no torn read.
/// Promise 4: a reader that keeps up sees every bar, and a late one sees the same bars.
#[test]
fn a_day_is_the_same_live_and_late() {
    let mut bus = Bus::init("24x7");
    bus.configure_ring("8MB", 256);
    bus.configure("# max_ahead = \"10m\"", "max_ahead = \"876000h\"");
    // So short that a reader that pauses briefly needs the columns.
    bus.configure("# tip_rows = 8192", "tip_rows = 64");
    bus.start();
    let live = start(&bus, "live", &["--until-close", "1"]);
    wait::until("the reader to start", || (live.lines_so_far() == 1).then_some(()));

    let mut bars = day_of_bars(4);
    let mut producer = Producer::connect(&bus);
    let mut stream = producer.begin(&producer::batch(&bars[..1]).schema());
    let mut sent = 0;
    for count in (1..=97).cycle() {
        let to = bars.len().min(sent + count);
        stream.write(&producer::batch(&bars[sent..to])).expect("the daemon listens");
        assert_eq!(producer.answer()["rows"], to);
        sent = to;
        if sent == bars.len() {
            break;
        }
    }
    // A correction is a bar like the others except for its revision.
    let mut corrected = bars[1_000].clone();
    corrected.volume += 1.0;
    stream.write(&producer::batch(std::slice::from_ref(&corrected))).expect("the daemon listens");
    assert_eq!(producer.answer()["revised"], 1);
    bars.push(corrected);
    bus.close_day();

    let live = lines(live);
    assert_eq!(live[0], json!({"event": "attached", "next_seq": 0}));
    let (closed, given) = live[1..].split_last().expect("a day");
    assert_eq!(*closed, json!({"event": "day_closed", "day": DAY}));
    assert_eq!(given.len(), bars.len());
    let mut received_before = 0;
    for (number, (row, bar)) in given.iter().zip(&bars).enumerate() {
        let received = row["received_ns"].as_i64().expect("a time");
        assert!(received >= received_before, "{row} was received before its predecessor");
        received_before = received;
        let revision = u8::from(number == bars.len() - 1);
        assert_eq!(*row, as_printed(bar, number, received, revision));
    }

    for from in ["oldest", "today", "0"] {
        assert_eq!(lines(start(&bus, from, &["--until-close", "1"])), live, "from {from}");
    }
    let middle = lines(start(&bus, "3000", &["--bars", "10"]));
    assert_eq!(middle[1..], live[3_001..3_011]);
    // A late reader also reports the close, between the day's last bar and the next one.
    let attached = json!({"event": "attached", "next_seq": bars.len()});
    assert_eq!(lines(start(&bus, "live", &["--once"])), std::slice::from_ref(&attached));
    assert_eq!(lines(start(&bus, &bars.len().to_string(), &["--once"])), [attached, closed.clone()]);
}

/// Promise 4: falling behind is an exact count.
/// Promise 2: the writer does not wait for a stopped reader.
#[test]
fn a_paused_reader_reports_exactly_the_bars_that_it_missed() {
    let mut bus = Bus::init("24x7");
    bus.configure_small_ring();
    bus.configure("# max_ahead = \"10m\"", "max_ahead = \"876000h\"");
    bus.start();
    let bars = day_of_bars(8);
    let capacity = bus.stat()["blocks"].as_u64().expect("a count") as usize * 64;
    assert!(bars.len() > 2 * capacity, "{capacity} bars fit: the ring is too long for this test");

    let reader = start(&bus, "oldest", &["--until-close", "1"]);
    bus.publish(&bus.write("1.csv", market::csv(&bars[..100])), &[]);
    wait::until("the reader at the tip", || (reader.lines_so_far() == 101).then_some(()));
    reader.signal(Signal::SIGSTOP);
    let rest = bus.write("2.csv", market::csv(&bars[100..]));
    assert_eq!(bus.publish(&rest, &[]), Counts::all_accepted(bars.len() - 100));
    reader.signal(Signal::SIGCONT);
    wait::until("the reader at the end", || reader.output_has(&format!("\"seq\": {},", bars.len() - 1)).then_some(()));
    bus.close_day();

    let given = lines(reader);
    let missed = given[101]["missed"].as_u64().expect("a count") as usize;
    assert!(missed >= bars.len() - 100 - capacity, "{missed} missed: more than {capacity} bars were there");
    let mut wanted = vec![json!({"event": "attached", "next_seq": 0})];
    let mut numbers: Vec<Option<usize>> = (0..100).chain(100 + missed..bars.len()).map(Some).collect();
    numbers.insert(100, None);
    for (number, row) in numbers.into_iter().zip(&given[1..]) {
        wanted.push(match number {
            Some(number) => as_printed(&bars[number], number, row["received_ns"].as_i64().expect("a time"), 0),
            None => json!({"event": "lapped", "missed": missed}),
        });
    }
    wanted.push(json!({"event": "day_closed", "day": DAY}));
    assert_eq!(given, wanted);
}

/// The golden rings of every version stay readable by the document of that version.
#[test]
fn golden_rings_match_their_text_files() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let rings: [(&str, &str, &[&str]); 2] = [("v1", "1000", &["money", "factor"]), ("v1-float32", "0", &["factor"])];
    for (name, first_seq, optional) in rings {
        let ring = unpack(name, folder.path());
        let given = lines(follow(&ring, first_seq, &["--once"]));
        let text = fs::read_to_string(Path::new(GOLDEN).join(name).with_extension("csv")).expect("a golden table");
        let table: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let (symbols, wanted) = table.split_at(table.iter().take_while(|row| row[0] == "symbol").count());
        assert_eq!(given.len(), wanted.len() + 1, "{name}");
        for (item, row) in given[1..].iter().zip(wanted) {
            let number = |text: &str| text.parse::<i64>().expect("an integer");
            match *row.as_slice() {
                ["lapped", missed] => assert_eq!(*item, json!({"event": "lapped", "missed": number(missed)})),
                ["day_closed", day] => {
                    let day = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(number(day));
                    assert_eq!(*item, json!({"event": "day_closed", "day": day.to_string()}));
                }
                ["row", seq, symbol, frame, ref values @ .., received, revision] => {
                    let symbol = symbols[symbol.parse::<usize>().expect("a symbol's number")][2];
                    let names = [&["open", "high", "low", "close", "volume"], optional].concat();
                    assert_eq!(names.len(), values.len(), "{name}");
                    let mut bar = json!({"symbol": symbol, "frame_ms": number(frame), "seq": number(seq),
                        "received_ns": number(received), "revision": number(revision)});
                    for (name, text) in names.iter().zip(values) {
                        bar[*name] = text.parse::<f64>().map_or(Value::Null, Value::from);
                    }
                    assert_eq!(*item, bar, "{name}");
                }
                _ => panic!("{name}.csv: {row:?}"),
            }
        }
    }
}

/// Promise 9: a truncated ring or a wrong version is a clear error.
/// Each change is rejected by one check of the section "Attach".
#[test]
fn attach_refuses_each_invalid_ring() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let ring = unpack("v1", folder.path());
    let good = fs::read(&ring).expect("the ring");
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, why) in [
        (good[..8_000].to_vec(), "too short"),
        (good[..good.len() - 1].to_vec(), "bytes long"),
        (with(0, b'B'), "not a ring"),
        (with(4_104, 0), "was not finished"),
        (with(4_104, 2), "version 2"),
        (with(4_144, 6), "checksum"),
        (with(100, !good[100]), "schema's checksum"),
    ] {
        fs::write(&ring, bytes).expect("can be written");
        let run = follow(&ring, "oldest", &["--once"]).finish();
        assert_eq!(run.status.code(), Some(1), "{why}: {run}");
        assert!(run.stderr.starts_with("follow_ring: ") && run.stderr.contains(why), "{why}: {run}");
    }
}

/// Every minute of [`DAY`] with this many symbols each; each hour adds one.
fn day_of_bars(symbols: usize) -> Vec<Bar> {
    let mut bars = market::minutes(&vec!["600000.XSHG"; symbols], &format!("{DAY}T00:01:00Z"), 1_440);
    for (row, bar) in bars.iter_mut().enumerate() {
        *bar = market::bar(&format!("{:06}.XSHE", row % symbols + row / symbols / 60), bar.frame);
    }
    bars
}

fn start(bus: &Bus, from: &str, options: &[&str]) -> Running {
    follow(&bus.ring(), from, options)
}

fn follow(ring: &Path, from: &str, options: &[&str]) -> Running {
    let mut command = python::command(SCRIPT);
    command.arg(ring).args(["--from", from]).args(options.iter().map(OsStr::new));
    Running::start(&mut command, false)
}

#[track_caller]
fn lines(reader: Running) -> Vec<Value> {
    reader.finish().json_lines()
}

/// A bar as the script prints it.
fn as_printed(bar: &Bar, seq: usize, received_ns: i64, revision: u8) -> Value {
    json!({
        "symbol": bar.symbol, "frame_ms": bar.frame.as_millisecond(),
        "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close, "volume": bar.volume,
        "money": bar.money, "factor": bar.factor,
        "seq": seq, "received_ns": received_ns, "revision": revision,
    })
}

/// A golden ring, unpacked into `folder`.
fn unpack(name: &str, folder: &Path) -> PathBuf {
    let packed = File::open(Path::new(GOLDEN).join(format!("{name}.ring.gz"))).expect("a golden ring");
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).expect("gzip");
    let path = folder.join(name).with_extension("ring");
    fs::write(&path, bytes).expect("can be written");
    path
}
