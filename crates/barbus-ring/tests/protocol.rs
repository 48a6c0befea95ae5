//! The ring's protocol in one process: what a reader returns, and in which order.

use barbus_ring::{
    DictionaryFull, Polled, Price, Ring, RingReader, RingStart, RingWriter, Row, Spec, StartError, SymbolId, create,
};

struct Fixture {
    _dir: tempfile::TempDir,
    writer: RingWriter,
    ring: Ring,
}

fn small() -> Spec {
    Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, symbols: 16, symbol_bytes: 128, ..Spec::default() }
}

fn fixture(spec: Spec) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    create(&path, &spec).unwrap();
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("000001.XSHE").unwrap();
    Fixture { _dir: dir, writer, ring: Ring::attach(&path).unwrap() }
}

fn row(i: u64) -> Row {
    let x = i as f64;
    Row {
        seq: i,
        symbol: SymbolId(0),
        frame_ms: i as i64 * 60_000,
        open: x,
        high: x + 0.5,
        low: x - 0.5,
        close: x + 0.25,
        volume: 100.0 * x,
        received_ns: i as i64,
        optional: [x * 7.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        present: (i % 2) as u8,
        revision: (i % 3) as u8,
    }
    .normal()
}

trait Normal {
    fn normal(self) -> Self;
}
impl Normal for Row {
    /// Sets values that are not present to zero.
    fn normal(mut self) -> Self {
        for k in 0..6 {
            if self.present >> k & 1 == 0 {
                self.optional[k] = 0.0;
            }
        }
        self
    }
}

/// Polls until there is nothing new. Whether there is, is known before each poll.
fn drain(reader: &mut RingReader, ring: &Ring, max: usize) -> (Vec<Row>, Vec<Polled>) {
    let (mut rows, mut events) = (Vec::new(), Vec::new());
    loop {
        let is_ready = reader.is_ready(ring);
        let polled = reader.poll(ring, &mut rows, max);
        assert_eq!(is_ready, polled != Polled::Empty, "{polled:?}");
        match polled {
            Polled::Empty => return (rows, events),
            Polled::Rows(_) => {}
            event => events.push(event),
        }
    }
}

/// The bars of a minute are there when a reader wakes up.
#[test]
fn a_reader_that_is_far_behind_needs_few_polls() {
    const ROWS: u64 = 5_000;
    let mut f = fixture(Spec { blocks: 20, rows_per_block: 1_024, ..Spec::default() });
    f.writer.begin_day(10);
    f.writer.push(&row(0)).unwrap();
    let mut reader = RingReader::new(&f.ring, RingStart::Oldest).unwrap();
    for minute in 0..3 {
        let first = minute * ROWS;
        for i in first.max(1)..first + ROWS {
            f.writer.push(&row(i)).unwrap();
        }
        let (mut rows, mut polls) = (Vec::new(), 0);
        while reader.poll(&f.ring, &mut rows, 1_024) != Polled::Empty {
            polls += 1;
        }
        assert_eq!(rows, (first..first + ROWS).map(row).collect::<Vec<_>>());
        assert!(polls < 40, "{polls} polls");
        f.writer.close_day();
        assert!(matches!(reader.poll(&f.ring, &mut rows, 1), Polled::DayClosed(_)));
        f.writer.begin_day(11 + minute as i64);
    }
}

#[test]
fn rows_are_read_unchanged_from_the_tip_and_from_the_columns() {
    let mut f = fixture(small());
    f.writer.begin_day(10);
    let mut live = RingReader::new(&f.ring, RingStart::Live).unwrap();
    for i in 0..200 {
        assert_eq!(f.writer.push(&row(i)).unwrap(), i);
        let mut rows = Vec::new();
        assert_eq!(live.poll(&f.ring, &mut rows, 10), Polled::Rows(1));
        assert_eq!(rows, [row(i)]);
    }
    // The tip holds 64 rows: a reader that is 200 rows behind gets the first ones from the columns.
    for max in [1, 7, 1000] {
        let mut late = RingReader::new(&f.ring, RingStart::Oldest).unwrap();
        let (rows, events) = drain(&mut late, &f.ring, max);
        assert_eq!(rows, (0..200).map(row).collect::<Vec<_>>());
        assert_eq!(events, []);
    }
}

/// A close is reported between the rows of two days, to a live reader and to a late one.
#[test]
fn a_day_close_is_reported_between_its_rows_and_those_of_the_next_day() {
    let mut f = fixture(small());
    let mut live = RingReader::new(&f.ring, RingStart::Live).unwrap();
    f.writer.begin_day(10);
    (0..3).for_each(|i| {
        f.writer.push(&row(i)).unwrap();
    });
    let (rows, events) = drain(&mut live, &f.ring, 100);
    assert_eq!((rows.len(), events), (3, vec![]));
    assert!(f.writer.close_day());
    assert!(!f.writer.close_day(), "a day closes once");
    assert_eq!(drain(&mut live, &f.ring, 100), (vec![], vec![Polled::DayClosed(10)]));
    f.writer.begin_day(11);
    f.writer.push(&row(3)).unwrap();
    assert_eq!(drain(&mut live, &f.ring, 100), (vec![row(3)], vec![]));

    let mut late = RingReader::new(&f.ring, RingStart::Oldest).unwrap();
    let mut rows = Vec::new();
    assert_eq!(late.poll(&f.ring, &mut rows, 100), Polled::Rows(3));
    assert_eq!(late.poll(&f.ring, &mut rows, 100), Polled::DayClosed(10));
    assert_eq!(late.poll(&f.ring, &mut rows, 100), Polled::Rows(1));
    assert_eq!(late.poll(&f.ring, &mut rows, 100), Polled::Empty);
}

#[test]
fn a_day_that_ends_with_a_full_block_closes_once() {
    for rows in [63, 64, 65, 128] {
        let mut f = fixture(small());
        let mut live = RingReader::new(&f.ring, RingStart::Live).unwrap();
        f.writer.begin_day(10);
        (0..rows).for_each(|i| {
            f.writer.push(&row(i)).unwrap();
        });
        assert_eq!(drain(&mut live, &f.ring, 100).0.len() as u64, rows);
        f.writer.close_day();
        assert_eq!(drain(&mut live, &f.ring, 100).1, [Polled::DayClosed(10)]);
        f.writer.begin_day(11);
        f.writer.push(&row(rows)).unwrap();
        assert_eq!(drain(&mut live, &f.ring, 100), (vec![row(rows)], vec![]));
    }
}

/// Promise 4: falling behind is a value with the exact count. Promise 7: rows that are not archived
/// are never overwritten.
#[test]
fn a_lapped_reader_gets_the_exact_number_of_missed_rows() {
    let mut f = fixture(small());
    f.writer.begin_day(10);
    let maintenance = f.writer.maintenance();
    let mut slow = RingReader::new(&f.ring, RingStart::Live).unwrap();
    let mut pushed = 0;
    let mut push = |f: &mut Fixture, n: u64| {
        for _ in 0..n {
            f.writer.push(&row(pushed)).unwrap();
            pushed += 1;
        }
    };
    push(&mut f, 10);
    assert_eq!(slow.poll(&f.ring, &mut Vec::new(), 4), Polled::Rows(4));
    push(&mut f, 4 * 64 - 10);
    assert_eq!(f.writer.push(&row(0)).unwrap_err().blocks, 4, "all four blocks wait for the archive");
    for block in maintenance.unpersisted().iter().filter(|block| block.block <= 2) {
        maintenance.mark_persisted(block.block);
    }
    push(&mut f, 65);
    // Blocks 1 and 2 are gone: rows 4..128 were missed.
    let mut rows = Vec::new();
    assert_eq!(slow.poll(&f.ring, &mut rows, 1000), Polled::Lapped { missed: 124 });
    let (rows, events) = drain(&mut slow, &f.ring, 1000);
    assert_eq!(events, []);
    assert_eq!(rows, (128..4 * 64 + 65).map(row).collect::<Vec<_>>());
}

/// Promise 8: the blocks that an index is still loaded from are not overwritten.
#[test]
fn blocks_that_are_kept_are_not_reused() {
    let mut f = fixture(small());
    f.writer.begin_day(10);
    (0..4 * 64).for_each(|i| assert_eq!(f.writer.push(&row(i)).unwrap(), i));
    let maintenance = f.writer.maintenance();
    (1..=2).for_each(|block| maintenance.mark_persisted(block));
    f.writer.keep_blocks_from(2);
    (4 * 64..5 * 64).for_each(|i| assert_eq!(f.writer.push(&row(i)).unwrap(), i));
    let full = f.writer.push(&row(0)).unwrap_err();
    assert_eq!(full.unread, 1, "block 2 is archived");
    let mut oldest = RingReader::new(&f.ring, RingStart::Oldest).unwrap();
    assert_eq!(drain(&mut oldest, &f.ring, 1000).0, (64..5 * 64).map(row).collect::<Vec<_>>());
    f.writer.keep_blocks_from(u64::MAX);
    assert_eq!(f.writer.push(&row(5 * 64)).unwrap(), 5 * 64);
}

#[test]
fn every_kind_of_start_begins_at_its_row() {
    let mut f = fixture(small());
    assert_eq!(RingReader::new(&f.ring, RingStart::Day(10)).unwrap_err(), StartError::NoSuchDay);
    assert_eq!(RingReader::new(&f.ring, RingStart::Oldest).unwrap().position().seq, 0);
    f.writer.begin_day(10);
    (0..70).for_each(|i| {
        f.writer.push(&row(i)).unwrap();
    });
    f.writer.close_day();
    f.writer.begin_day(12);
    (70..75).for_each(|i| {
        f.writer.push(&row(i)).unwrap();
    });
    let seq = |start| RingReader::new(&f.ring, start).map(|reader| reader.position().seq);
    assert_eq!(seq(RingStart::Live), Ok(75));
    assert_eq!(seq(RingStart::Oldest), Ok(0));
    assert_eq!(seq(RingStart::Today), Ok(70));
    assert_eq!(seq(RingStart::Day(10)), Ok(0));
    assert_eq!(seq(RingStart::Day(11)), Ok(70));
    assert_eq!(seq(RingStart::Day(13)), Err(StartError::NoSuchDay));
    assert_eq!(seq(RingStart::Seq(64)), Ok(64));
    assert_eq!(seq(RingStart::Seq(75)), Ok(75));
    assert_eq!(seq(RingStart::Seq(76)), Err(StartError::Future { seq: 76, next: 75 }));
    for start in 0..75 {
        let mut reader = RingReader::new(&f.ring, RingStart::Seq(start)).unwrap();
        assert_eq!(drain(&mut reader, &f.ring, 9).0, (start..75).map(row).collect::<Vec<_>>());
    }
}

/// Promise 4: a reader that has read all rows of a day, and is lapped before its next poll, has
/// missed no row and gets the close.
#[test]
fn the_close_of_a_day_whose_blocks_are_gone_is_reported() {
    for (last, empty_block) in [(40, false), (64, false), (64, true)] {
        let mut f = fixture(small());
        let maintenance = f.writer.maintenance();
        f.writer.begin_day(100);
        let mut reader = RingReader::new(&f.ring, RingStart::Oldest).unwrap();
        for i in 0..last {
            f.writer.push(&row(i)).unwrap();
            assert_eq!(drain(&mut reader, &f.ring, 1), (vec![row(i)], vec![]));
        }
        if empty_block {
            f.writer.reserve_rows().unwrap();
            assert_eq!(drain(&mut reader, &f.ring, 1).1, []);
        }
        assert!(f.writer.close_day());
        let blocks: Vec<u64> = f.ring.blocks().map(|(block, _)| block).collect();
        f.writer.begin_day(101);
        let mut next = last;
        while f.ring.blocks().any(|(block, _)| blocks.contains(&block)) {
            for block in maintenance.unpersisted().into_iter().filter(|block| block.sealed) {
                maintenance.mark_persisted(block.block);
            }
            f.writer.push(&row(next)).unwrap();
            next += 1;
        }
        let (rows, events) = drain(&mut reader, &f.ring, 1_000);
        assert_eq!(events, [Polled::DayClosed(100)], "{last} {empty_block}");
        assert_eq!(rows, (last..next).map(row).collect::<Vec<_>>());
    }
}

/// Rows that arrive between two days lie in a block without a day, which closes nothing.
#[test]
fn late_rows_between_two_days_close_no_day() {
    let mut f = fixture(small());
    let mut live = RingReader::new(&f.ring, RingStart::Live).unwrap();
    f.writer.begin_day(10);
    f.writer.push(&row(0)).unwrap();
    f.writer.close_day();
    f.writer.push(&row(1)).unwrap();
    assert!(!f.writer.close_day());
    f.writer.begin_day(11);
    assert!(!f.writer.close_day(), "a day without a row does not close");
    f.writer.begin_day(11);
    f.writer.push(&row(2)).unwrap();
    f.writer.close_day();
    let (rows, events) = drain(&mut live, &f.ring, 100);
    assert_eq!(rows, [row(0), row(1), row(2)]);
    assert_eq!(events, [Polled::DayClosed(10), Polled::DayClosed(11)]);
}

#[test]
fn float32_prices_are_the_same_in_the_tip_and_in_the_columns() {
    let mut f = fixture(Spec { price: Price::Float32, ..small() });
    f.writer.begin_day(1);
    let mut tail = RingReader::new(&f.ring, RingStart::Live).unwrap();
    let bar = Row { open: 10.1, high: 10.3, low: 9.9, close: 10.2, ..row(1) };
    let mut from_tip = Vec::new();
    for _ in 0..100 {
        f.writer.push(&bar).unwrap();
        assert_eq!(tail.poll(&f.ring, &mut from_tip, 1), Polled::Rows(1));
    }
    let mut late = RingReader::new(&f.ring, RingStart::Oldest).unwrap();
    assert_eq!(drain(&mut late, &f.ring, 1000).0, from_tip);
    assert_eq!(from_tip[0].open, f64::from(10.1f32));
}

#[test]
fn the_dictionary_grows_until_it_is_full() {
    let mut f = fixture(small());
    for i in 1..16 {
        assert_eq!(f.writer.intern(&format!("S{i}")).unwrap(), SymbolId(i));
        assert_eq!(f.ring.symbol(SymbolId(i)).unwrap(), format!("S{i}"));
    }
    assert_eq!(f.writer.intern("X").unwrap_err(), DictionaryFull::Symbols(16));
    assert_eq!(f.ring.symbol(SymbolId(0)).unwrap(), "000001.XSHE");
    assert_eq!(f.ring.symbol(SymbolId(16)), None);
}

/// Promise 6, within one boot: the next writer continues where the last one stopped.
#[test]
fn readers_do_not_notice_a_change_of_writer() {
    let mut f = fixture(small());
    f.writer.begin_day(10);
    let mut live = RingReader::new(&f.ring, RingStart::Live).unwrap();
    for i in 0..130 {
        f.writer.push(&row(i)).unwrap();
        if i % 13 == 0 {
            let path = f._dir.path().join("bars.ring");
            f.writer = RingWriter::open(&path).unwrap();
            assert_eq!((f.writer.next_seq(), f.writer.day()), (i + 1, Some(10)));
            // The rows whose columns were not stored yet.
            let completed = (i + 1) % 64 % 8;
            assert_eq!(f.writer.recovery().completed_rows, completed, "after row {i}");
        }
    }
    assert_eq!(drain(&mut live, &f.ring, 1000).0, (0..130).map(row).collect::<Vec<_>>());
    f.writer.close_day();
    let writer = RingWriter::open(&f._dir.path().join("bars.ring")).unwrap();
    assert_eq!(writer.day(), None);
    assert_eq!(f.ring.symbol(SymbolId(0)).unwrap(), "000001.XSHE");
}

/// Promise 9: a flipped bit in a sealed block's metadata page (Arrow message, header, padding) is
/// found, and the report names the slot.
#[test]
fn every_byte_of_a_sealed_blocks_metadata_is_guarded() {
    use barbus_ring::layout::{BH_BLOCK, BH_PERSISTED, SLOT_BODY};
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    create(&path, &Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, ..Spec::default() }).unwrap();
    let mut writer = RingWriter::open(&path).unwrap();
    let symbol = writer.intern("A").unwrap();
    writer.begin_day(7);
    for minute in 1..=100 {
        writer.push(&Row { symbol, frame_ms: minute * 60_000, present: minute as u8 & 1, ..Row::default() }).unwrap();
    }
    writer.close_day();
    let maintenance = writer.maintenance();
    (1..=2).for_each(|block| maintenance.seal_checksum(block));
    maintenance.mark_persisted(1);
    drop(writer);
    let ring = Ring::attach(&path).unwrap();
    assert_eq!(ring.verify().problems, Vec::<String>::new());
    assert_eq!(ring.verify().checksums, 2);

    // Slots are adjacent, and each begins with the same bytes.
    let bytes = std::fs::read(&path).unwrap();
    let number_at = |block: u64| {
        let mut at = (0..bytes.len()).step_by(4096);
        at.find(|&at| bytes[at..at + 4] == [0xff; 4] && bytes[at + BH_BLOCK..at + BH_BLOCK + 8] == block.to_le_bytes())
            .unwrap()
    };
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for block in [1, 2] {
        let slot = number_at(block);
        for offset in 0..SLOT_BODY {
            let bit = 1u8 << (offset % 8);
            // `persisted` alone has two correct values.
            if (offset, bit) == (BH_PERSISTED, 1) {
                continue;
            }
            file.write_all_at(&[bytes[slot + offset] ^ bit], (slot + offset) as u64).unwrap();
            let problems = ring.verify().problems;
            assert!(!problems.is_empty(), "block {block}: byte {offset} of its metadata");
            if !(BH_BLOCK..BH_BLOCK + 8).contains(&offset) {
                let named = format!("block {block} in slot {}", block - 1);
                assert!(problems.iter().any(|problem| problem.starts_with(&named)), "{offset}: {problems:?}");
            }
            file.write_all_at(&[bytes[slot + offset]], (slot + offset) as u64).unwrap();
        }
    }
    assert_eq!(ring.verify().problems, Vec::<String>::new());
}

/// Promise 9: sequence numbers near the limit are refused, at creation and in a file.
#[test]
fn a_first_sequence_number_near_the_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    let spec = |first_seq| Spec { blocks: 2, rows_per_block: 64, tip_rows: 64, first_seq, ..Spec::default() };
    for first_seq in [1 << 62, u64::MAX] {
        assert!(create(&path, &spec(first_seq)).unwrap_err().to_string().contains("first sequence number"));
        assert!(!path.exists());
    }
    create(&path, &spec((1 << 62) - 1)).unwrap();
    assert_eq!(RingWriter::open(&path).unwrap().next_seq(), (1 << 62) - 1);
}

/// Promise 9: verification of a ring that is being written reports no problem: blocks that open,
/// are sealed and are recycled, and days that close, are not damage.
#[test]
fn a_ring_that_is_being_written_has_no_problems() {
    let Fixture { _dir, mut writer, ring } = fixture(small());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let maintenance = writer.maintenance();
            let (mut next, mut day) = (0, 100);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                writer.begin_day(day);
                for _ in 0..50 {
                    writer.push(&row(next)).unwrap();
                    next += 1;
                }
                if day % 2 == 0 {
                    writer.seal_block()
                } else {
                    writer.seal_full_block()
                }
                writer.close_day();
                day += 1;
                for block in maintenance.unpersisted().into_iter().filter(|block| block.sealed) {
                    maintenance.seal_checksum(block.block);
                    maintenance.mark_persisted(block.block);
                }
            }
        });
        let problems: Vec<String> = (0..1_000).flat_map(|_| ring.verify().problems).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(problems, [] as [String; 0]);
    });
}

/// A ring that has replaced another one is not taken for a copy of it, whose newest row
/// may be torn. Readers keep what was stored for them.
#[test]
fn a_ring_that_has_replaced_another_is_no_copy() {
    let Fixture { _dir, mut writer, ring } = fixture(small());
    let path = _dir.path().join("bars.ring");
    let before = ring.writer_run();
    writer.set_withdrawals(3);
    writer.set_watermark_ms(60_000);
    writer.replace(&path, &small()).unwrap();
    let replaced = Ring::attach(&path).unwrap();
    assert_eq!((replaced.withdrawals(), replaced.watermark_ms()), (3, 60_000));
    let after = replaced.writer_run();
    assert_ne!(after, before);
    drop(writer);
    let writer = RingWriter::open(&path).unwrap();
    assert!(!writer.recovery().copied, "{:?}", writer.recovery());
    assert_ne!(replaced.writer_run(), after);
    drop(writer);
    let copy = _dir.path().join("copy.ring");
    std::fs::copy(&path, &copy).unwrap();
    assert!(RingWriter::open(&copy).unwrap().recovery().copied);
}

/// Some of the processes that sleep can be woken, those that slept longest, and the rest later.
#[test]
fn a_part_of_the_sleeping_readers_is_woken() {
    let Fixture { _dir, writer, ring } = fixture(small());
    std::thread::scope(|scope| {
        let (sender, threads) = std::sync::mpsc::channel();
        let seen = ring.commits();
        for number in 0..3 {
            let (sender, ring) = (sender.clone(), &ring);
            scope.spawn(move || {
                sender.send((number, std::fs::read_link("/proc/thread-self").unwrap())).unwrap();
                ring.wait(seen, std::time::Duration::from_secs(240));
                sender.send((number, std::path::PathBuf::new())).unwrap();
            });
            let stat = std::path::Path::new("/proc").join(threads.recv().unwrap().1).join("stat");
            while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
                std::thread::yield_now();
            }
        }
        assert_eq!(writer.wake_some(2), 2);
        let mut woken = [threads.recv().unwrap().0, threads.recv().unwrap().0];
        woken.sort_unstable();
        assert_eq!((woken, threads.try_recv().is_err()), ([0, 1], true));
        assert_eq!((writer.wake_some(u32::MAX), writer.wake_some(u32::MAX)), (1, 0));
        assert_eq!(threads.recv().unwrap().0, 2);
    });
}
