//! What the daemon counts for the state of the bus: sources, flushes, syncs, parts and disks.

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch};
use arrow::datatypes::Schema;
use barbus::protocol::{SOURCE, Stat};

use support::*;

const DAY: &str = "2024-03-04";

fn of_source(batch: &RecordBatch, source: &str) -> RecordBatch {
    let metadata = HashMap::from([(SOURCE.to_owned(), source.to_owned())]);
    let schema = Schema::new_with_metadata(batch.schema().fields().clone(), metadata);
    RecordBatch::try_new(Arc::new(schema), batch.columns().to_vec()).unwrap()
}

#[test]
fn each_source_is_counted_with_its_outcomes() {
    let bus = Bus::running();
    let day = bars(DAY, &["600000.XSHG"], 240);
    let sent = of_source(&day.slice(0, 100), "feed A");
    let mut open = Connection::to(&bus);
    let whole = stream(std::slice::from_ref(&sent));
    open.send(&whole[..whole.len() - 8]);
    open.ack();
    publish(&bus, &[sent]);
    // Its last bar is invalid: its frame does not count as that of a bar.
    let close = day.column_by_name("close").unwrap().as_any().downcast_ref::<Float64Array>().unwrap();
    let negative = Float64Array::from_iter_values(
        close.iter().enumerate().map(|(row, close)| if row == 109 { -1.0 } else { close.unwrap() }),
    );
    publish(&bus, &[with_column(&day, "close", Some(Arc::new(negative))).slice(100, 10)]);

    let Stat { sources, producers, version, .. } = bus.stat();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let unnamed = format!("user {user}");
    assert_eq!(sources.keys().collect::<Vec<_>>(), ["feed A", &unnamed]);
    let feed = &sources["feed A"];
    assert_eq!((feed.rows, feed.accepted, feed.duplicates, feed.connected), (200, 100, 100, 1));
    assert_eq!(feed.last_frame.unwrap().to_string(), "2024-03-04T03:10:00Z");
    let unnamed = &sources[&unnamed];
    assert_eq!((unnamed.rows, unnamed.accepted, unnamed.quarantined), (10, 9, 1));
    assert_eq!(unnamed.last_frame.unwrap().to_string(), "2024-03-04T03:19:00Z");
    assert!(unnamed.last_received >= feed.last_received && feed.last_received.is_some());
    assert_eq!(version.unwrap().split(' ').next(), Some(env!("CARGO_PKG_VERSION")));
    assert!(producers.unwrap() >= 1);
    drop(open);
    until("the stream to end", || (bus.stat().sources["feed A"].connected == 0).then_some(()));
}

#[test]
fn flushes_syncs_parts_and_disks_are_shown() {
    let settings = "calendar = \"XSHG\"\n[ring]\nsize = \"1MB\"\nrows_per_block = 64\ntip_rows = 64\nsymbols = 256\n";
    let mut bus = Bus::new(settings);
    bus.start(&[]);
    let symbols: Vec<String> = (0..60).map(|number| format!("{:06}.XSHG", 600_000 + number)).collect();
    // More bars than the ring has room for: some of the open day are spilled to parts.
    let day = bars(DAY, &symbols.iter().map(String::as_str).collect::<Vec<_>>(), 240);
    publish(&bus, std::slice::from_ref(&day));
    let open = bus.stat();
    assert!(open.parts > 0, "{open:?}");
    let without_daemon = barbus::Reader::open(bus.path()).unwrap().stat();
    assert_eq!((without_daemon.parts, without_daemon.flushes), (open.parts, None));
    assert_eq!(open.flushes.unwrap().done, open.parts);
    publish(&bus, &[with_column(&day.slice(0, 3), "open", None)]);
    bus.close_day();

    let closed = bus.stat();
    assert_eq!(closed.parts, 0);
    let flushes = closed.flushes.unwrap();
    assert_eq!((flushes.done, flushes.failed), (open.parts + 1, 0));
    assert!(flushes.last_s > 0.0 && flushes.last_s <= flushes.max_s && flushes.max_s <= flushes.total_s);
    assert!(closed.quarantine_bytes > 0);
    assert!(closed.ring_free_bytes.is_some() && closed.quarantine_free_bytes.is_some());
    until("a sync", || (bus.stat().syncs.unwrap().done > 0).then_some(()));

    // A file in the way of the archive: each attempt to write the next day fails.
    let archive = bus.path().join("archive/1m");
    std::fs::rename(&archive, bus.path().join("archive/aside")).unwrap();
    std::fs::write(&archive, "in the way").unwrap();
    publish(&bus, &[bars("2024-03-05", &["600000.XSHG"], 1)]);
    let answer = bus.request(r#"{"close_day":{}}"#);
    assert!(answer["error"].is_string(), "{answer}");
    assert!(bus.stat().flushes.unwrap().failed > 0);
}
