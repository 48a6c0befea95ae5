//! Questions while the writer reuses blocks, at chosen moments.

use barbus_ring::{HeldRows, RingStart, RingWriter, Spec, create};

use super::*;

/// A ring of 4 blocks of 64 rows, its writer, and the index of a reader.
struct Fixture {
    _dir: tempfile::TempDir,
    ring: Ring,
    writer: RingWriter,
    symbol: SymbolId,
    index: SymbolIndex,
}

impl Fixture {
    /// All blocks of the ring have bars of one symbol, and all of them are indexed.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bars.ring");
        let spec =
            Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, symbols: 4, symbol_bytes: 64, ..Spec::default() };
        create(&path, &spec).unwrap();
        let mut writer = RingWriter::open(&path).unwrap();
        let symbol = writer.intern("A").unwrap();
        writer.begin_day(1);
        (0..4).for_each(|_| _ = push_block(&mut writer, symbol));
        let ring = Ring::attach(&path).unwrap();
        let oldest = RingReader::new(&ring, RingStart::Oldest).unwrap();
        let mut index = SymbolIndex::build(&ring, oldest).unwrap();
        assert!(index.catch_up(&ring));
        Self { _dir: dir, ring, writer, symbol, index }
    }

    /// The sequence numbers of the last `count` bars.
    fn last(&mut self, count: usize) -> Vec<u64> {
        self.index.last(&self.ring, self.symbol, count).unwrap().iter().map(|row| row.seq).collect()
    }
}

/// Fills a block with bars of `symbol`; returns the next sequence number.
fn push_block(writer: &mut RingWriter, symbol: SymbolId) -> u64 {
    for block in writer.maintenance().unpersisted() {
        writer.maintenance().mark_persisted(block.block);
    }
    for _ in 0..64 {
        writer.push(&Row { symbol, frame_ms: writer.next_seq() as i64, ..Row::default() }).unwrap();
    }
    writer.next_seq()
}

/// Promise 3: the writer overwrites every indexed block after the index has caught up and
/// before it searches. The answer has the newer bars.
#[test]
fn a_writer_that_overwrites_every_indexed_block_hides_no_bar() {
    for asked_before in [0, 10] {
        let mut fixture = Fixture::new();
        let found = fixture.last(asked_before);
        assert_eq!(found, (256 - asked_before as u64..256).collect::<Vec<_>>());
        push_block(&mut fixture.writer, fixture.symbol);
        assert!(fixture.index.catch_up(&fixture.ring));
        let next = (0..5).map(|_| push_block(&mut fixture.writer, fixture.symbol)).last().unwrap();
        for count in [1, 10, 256] {
            assert_eq!(fixture.last(count), (next - count as u64..next).collect::<Vec<_>>(), "{asked_before}");
        }
    }
}

/// Promise 3: as above, while a reader pins the oldest block. Its bars are not the newest ones.
#[test]
fn a_pinned_block_does_not_hide_the_newer_bars() {
    let mut fixture = Fixture::new();
    let ring = fixture.ring.clone();
    let mut oldest = RingReader::new(&ring, RingStart::Oldest).unwrap();
    let pinned = oldest.pin(&ring).unwrap();
    assert_eq!(pinned.as_ref().map(HeldRows::len), Some(64));
    let next = (0..5).map(|_| push_block(&mut fixture.writer, fixture.symbol)).last().unwrap();
    let held: Vec<u64> = (0..64).chain(next - 3 * 64..next).collect();
    for count in [1, 10, 256] {
        assert_eq!(fixture.last(count), held[held.len() - count..]);
    }
}

/// Promise 3: the writer overwrites the whole ring during more attempts than are made for the
/// sake of the oldest bars.
#[test]
fn a_writer_that_laps_every_attempt_does_not_empty_the_answer() {
    let Fixture { _dir, ring, mut writer, symbol, mut index } = Fixture::new();
    let (mut attempts, mut next) = (0, 0);
    let lap = || {
        attempts += 1;
        if attempts < 3 * ATTEMPTS {
            (0..5).for_each(|_| next = push_block(&mut writer, symbol));
        }
    };
    assert!(index.refresh_while(&ring, symbol, 100, lap));
    let found: Vec<u64> = index.last(&ring, symbol, 100).unwrap().iter().map(|row| row.seq).collect();
    assert_eq!((attempts, found), (3 * ATTEMPTS, (next - 100..next).collect()));
}

/// Promise 4: if the writer overwrites a bar during every attempt, the oldest bars are lost,
/// and none of the bars that it writes meanwhile.
#[test]
fn a_writer_that_disturbs_every_attempt_leaves_no_gap() {
    let Fixture { _dir, ring, mut writer, symbol, mut index } = Fixture::new();
    let (mut attempts, mut next) = (0, 0);
    let disturb = || (attempts, next) = (attempts + 1, push_block(&mut writer, symbol));
    assert!(index.refresh_while(&ring, symbol, 1_000, disturb));
    assert_eq!(attempts, ATTEMPTS);
    let found: Vec<u64> = index.recent[symbol.0 as usize].rows.iter().map(|row| row.seq).collect();
    assert_eq!(found, (next - found.len() as u64..next).collect::<Vec<_>>());
    assert!(index.catch_up(&ring));
    for count in [1, 100, 256] {
        let found: Vec<u64> = index.last(&ring, symbol, count).unwrap().iter().map(|row| row.seq).collect();
        assert_eq!(found, (next - count as u64..next).collect::<Vec<_>>());
    }
}
