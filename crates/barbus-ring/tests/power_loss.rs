//! Power losses at random moments: a writer takes over images of what the disk may hold then.
//!
//! `fdatasync` promises that everything stored before the call is on disk when it returns. Pages
//! stored later may have reached the disk or not, one by one and in any order; each page is written
//! as a whole. So the test keeps every version of a page since the last completed sync, and an
//! image takes one version of each page. The writer continues during a sync, and the power may fail
//! in the middle of one, before or after the durable cursor is stored. The image is taken over as
//! after a reboot.
//!
//! `BARBUS_POWER_LOSS_IMAGES` sets the number of images (200 by default), `BARBUS_POWER_LOSS_SEED`
//! the first seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use barbus_ring::layout::*;
use barbus_ring::{
    BlockRows, Polled, Ring, RingError, RingMaintenance, RingReader, RingStart, RingWriter, Row, Spec, SymbolId, create,
};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Row `seq` as it is written in boot `boot`: after a power loss the same number gets other values.
fn row(seq: u64, boot: u64, symbols: u64) -> Row {
    let value = |n: u64| (mix(seq << 12 | boot << 4 | n) >> 12) as f64;
    let present = mix(seq ^ boot << 40) as u8 & 3;
    let mut optional = [0.0; barbus_ring::MAX_OPTIONAL];
    for (k, optional) in optional.iter_mut().enumerate().take(2) {
        *optional = f64::from(present >> k & 1) * value(8 + k as u64);
    }
    Row {
        seq,
        frame_ms: (seq * 60_000) as i64,
        open: value(0),
        high: value(1),
        low: value(2),
        close: value(3),
        volume: value(4),
        received_ns: value(5) as i64,
        optional,
        symbol: SymbolId((mix(seq + boot) % symbols) as u32),
        present,
        revision: (seq % 3) as u8,
    }
}

type Page = Box<[u8]>;

/// What the disk certainly holds, and every later version of each page.
struct Disk {
    versions: Vec<Vec<Page>>,
    /// Offset of the slots, bytes of a slot, number of slots. A slot's first page has the block
    /// header.
    slots: (usize, usize, usize),
}

impl Disk {
    fn new(bytes: &[u8]) -> Self {
        let word = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap()) as usize;
        let slots = (word(SB_SLOTS_OFFSET), word(SB_SLOT_BYTES), word(SB_SLOTS) & 0xffff_ffff);
        Self { versions: bytes.chunks(PAGE).map(|page| vec![page.into()]).collect(), slots }
    }

    /// Records the present pages, and the versions in between: those of words that change one after
    /// another.
    fn record(&mut self, bytes: &[u8]) {
        let (slots, slot_bytes, count) = self.slots;
        for (number, (page, versions)) in bytes.chunks(PAGE).zip(&mut self.versions).enumerate() {
            let last = versions.last().unwrap();
            if **last == *page {
                continue;
            }
            let offset = number * PAGE;
            let mut between = Vec::new();
            let is_header =
                offset >= slots && offset < slots + count * slot_bytes && (offset - slots).is_multiple_of(slot_bytes);
            if is_header && last[BH_BLOCK..BH_BLOCK + 8] != page[BH_BLOCK..BH_BLOCK + 8] {
                for whole in [&last[..], page] {
                    let mut recycling: Page = whole.into();
                    recycling[BH_BLOCK..BH_BLOCK + 8].copy_from_slice(&RECYCLING.to_le_bytes());
                    between.push(recycling);
                }
            }
            if offset == SUPERBLOCK {
                // The writer stores the durable symbols before the cursor that needs them.
                let mut symbols_first: Page = page.into();
                let cursor = SB_DURABLE_CURSOR - SUPERBLOCK;
                symbols_first[cursor..cursor + 8].copy_from_slice(&last[cursor..cursor + 8]);
                between.push(symbols_first);
            }
            versions.extend(between);
            versions.push(page.into());
        }
    }

    /// The newest version of each page.
    fn mark(&self) -> Vec<usize> {
        self.versions.iter().map(|versions| versions.len() - 1).collect()
    }

    /// A sync that began at `mark` has returned: the disk holds nothing older.
    fn synced(&mut self, mark: &[usize]) {
        for (versions, &from) in self.versions.iter_mut().zip(mark) {
            versions.drain(..from);
        }
    }

    fn image(&self, random: &mut Random) -> Vec<u8> {
        // Some images have no later version, some have all of them, some lack only a few.
        let how = random.below(8);
        let mut image = Vec::new();
        for versions in &self.versions {
            let last = versions.len() - 1;
            let any = random.below(versions.len() as u64) as usize;
            let rare = random.one_in(6);
            let version = match how {
                0 => 0,
                1 => last,
                2 | 3 if rare => any,
                2 => 0,
                3 => last,
                4 | 5 => [0, last][random.below(2) as usize],
                _ => any,
            };
            image.extend_from_slice(&versions[version]);
        }
        image
    }
}

/// What a writer has published.
#[derive(Clone, Default)]
struct Known {
    rows: Vec<Row>,
    symbols: Vec<String>,
    /// Days that were closed, each with the number of rows before its close.
    closes: Vec<(i64, u64)>,
}

/// What was published when the sync of a durable cursor began.
#[derive(Clone, Copy, Default, Debug)]
struct Durable {
    rows: usize,
    closes: usize,
}

struct Bus {
    path: PathBuf,
    writer: RingWriter,
    maintenance: RingMaintenance,
    disk: Disk,
    known: Known,
    /// Sequence numbers of the archived rows.
    archived: BTreeSet<u64>,
    /// Archived blocks with their checksums on disk, which may be marked persisted.
    to_mark: VecDeque<u64>,
    /// What is certainly on disk, and what may be there as well.
    durable: Durable,
    underway: Option<Durable>,
    boot: u64,
    day: i64,
}

/// The power has failed.
struct PowerLoss;

impl Bus {
    /// Becomes the writer. Its takeover is on disk before its first row.
    fn open(path: &Path, known: Known, archived: BTreeSet<u64>, boot: u64, day: i64) -> Result<Self, RingError> {
        let writer = RingWriter::open(path)?;
        let durable = Durable { rows: known.rows.len(), closes: known.closes.len() };
        Ok(Self {
            path: path.into(),
            maintenance: writer.maintenance(),
            writer,
            disk: Disk::new(&std::fs::read(path).unwrap()),
            known,
            archived,
            to_mark: VecDeque::new(),
            durable,
            underway: None,
            boot,
            day,
        })
    }

    fn record_pages(&mut self) {
        self.disk.record(&std::fs::read(&self.path).unwrap());
    }

    /// Pushes rows one by one; stops when the ring is full.
    fn push(&mut self, count: u64, random: &mut Random) -> bool {
        for _ in 0..count {
            let seq = self.known.rows.len() as u64;
            let row = row(seq, self.boot, self.known.symbols.len() as u64);
            let Ok(given) = self.writer.push(&row) else { return false };
            assert_eq!(given, seq);
            self.known.rows.push(row);
            if random.one_in(5) || seq % 64 < 2 {
                self.record_pages();
            }
        }
        self.writer.write_back();
        self.record_pages();
        true
    }

    fn intern(&mut self) {
        let name = format!("S{}{}", self.known.symbols.len(), "x".repeat(self.boot as usize % 5));
        if self.writer.intern(&name).is_ok() {
            self.known.symbols.push(name);
        }
        self.record_pages();
    }

    fn close_day(&mut self) {
        let day = self.writer.day();
        if self.writer.close_day() {
            self.known.closes.push((day.unwrap(), self.known.rows.len() as u64));
        }
        self.record_pages();
    }

    fn begin_day(&mut self) {
        self.day += 1;
        self.writer.begin_day(self.day);
        self.record_pages();
    }

    /// The writer's work, also during a sync. The flusher cannot sync at that time, so it marks
    /// nothing new.
    fn write(&mut self, random: &mut Random) -> bool {
        match random.below(12) {
            0 => self.close_day(),
            1 => {
                self.close_day();
                self.begin_day();
            }
            2 => self.intern(),
            3 if self.writer.day().is_none() => self.begin_day(),
            4 | 5 => self.mark(random),
            6 => return self.push(100 + random.below(200), random),
            _ => return self.push(1 + random.below(40), random),
        }
        true
    }

    /// Marks some of the blocks that may be marked as persisted.
    fn mark(&mut self, random: &mut Random) {
        for _ in 0..random.below(4) {
            if let Some(block) = self.to_mark.pop_front() {
                self.maintenance.mark_persisted(block);
                self.record_pages();
            }
        }
    }

    /// A sync while the writer works. The power may fail in each of its halves.
    fn sync(&mut self, random: &mut Random, dies: bool) -> Result<(), PowerLoss> {
        let durable = Durable { rows: self.known.rows.len(), closes: self.known.closes.len() };
        let maintenance = self.maintenance.clone();
        let dark_at = if dies { random.below(2) } else { 2 };
        let mut half = 0;
        let outcome = maintenance.sync_by(|| {
            self.record_pages();
            let mark = self.disk.mark();
            if half == 1 {
                self.underway = Some(durable);
            }
            for _ in 0..random.below(4) {
                if !self.write(random) {
                    break;
                }
            }
            if half == dark_at {
                return Err(RingError::Spec { what: "the power fails".into() });
            }
            self.disk.synced(&mark);
            half += 1;
            Ok(())
        });
        self.record_pages();
        if outcome.is_err() {
            return Err(PowerLoss);
        }
        self.durable = durable;
        self.underway = None;
        Ok(())
    }

    /// The flusher's work: it lists the blocks, computes checksums, syncs, archives the rows that
    /// it saw, and marks blocks as persisted.
    fn flush(&mut self, random: &mut Random, dies: bool) -> Result<(), PowerLoss> {
        let mut found: Vec<BlockRows> = self.maintenance.unpersisted();
        found.retain(|block| !self.to_mark.contains(&block.block));
        for block in found.iter().filter(|block| block.sealed) {
            self.maintenance.seal_checksum(block.block);
            self.record_pages();
        }
        self.sync(random, dies)?;
        for block in found {
            let mut rows = Vec::new();
            assert!(self.maintenance.rows(block.block, 0, block.rows, &mut rows));
            for row in rows {
                assert_eq!(row, self.known.rows[row.seq as usize]);
                self.archived.insert(row.seq);
            }
            if block.sealed {
                self.to_mark.push_back(block.block);
            }
        }
        self.mark(random);
        Ok(())
    }

    /// Works until the power fails.
    fn run(&mut self, random: &mut Random) {
        if self.known.symbols.is_empty() {
            self.intern();
        }
        if self.writer.day().is_none() {
            self.begin_day();
        }
        let steps = random.below(60);
        for step in 0..=steps {
            let room = self.write(random);
            let dies = step == steps && !random.one_in(3);
            let outcome = match random.below(6) {
                0 | 1 => self.sync(random, dies),
                _ if dies => self.sync(random, dies),
                2 => self.flush(random, dies),
                _ => Ok(()),
            };
            if outcome.is_err() {
                return;
            }
            if !room {
                if self.flush(random, false).is_err() {
                    return;
                }
                while !self.to_mark.is_empty() {
                    self.mark(random);
                }
            }
        }
    }
}

/// Everything that a reader finds from the oldest row on: rows, and day closes, each with the
/// number of the next row.
fn read_all(ring: &Ring, max: usize) -> (Vec<Row>, Vec<(i64, u64)>) {
    let mut reader = RingReader::new(ring, RingStart::Oldest).unwrap();
    let (mut rows, mut closes) = (Vec::new(), Vec::new());
    loop {
        match reader.poll(ring, &mut rows, max) {
            Polled::Empty => return (rows, closes),
            Polled::DayClosed(day) => closes.push((day, reader.position().seq)),
            Polled::Rows(_) | Polled::Lapped { .. } => {}
            Polled::Corrupt => panic!("the ring is corrupt"),
        }
    }
}

/// Promise 6, after a power loss: every row below the durable cursor is in the ring with its
/// values, or archived; no later row is shown. Promise 3: no row is torn, whatever mixture of old
/// and new pages is on the disk. Promise 7: no archived row's number is assigned again, and
/// maintenance finds every row that is not archived.
fn take_over(path: &Path, image: &[u8], before: &Bus, random: &mut Random, what: &str) -> Bus {
    // Written in place, so that the file need not be allocated again.
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let load = |image: &[u8]| {
        file.write_all_at(image, 0).unwrap();
        file.write_all_at(&mix(before.boot + 1).to_le_bytes(), SB_BOOT_ID as u64).unwrap();
    };
    load(image);
    if random.one_in(4) {
        // The power fails in the middle of the takeover.
        let mut disk = Disk::new(&std::fs::read(path).unwrap());
        drop(RingWriter::open(path).unwrap_or_else(|error| panic!("{what}: {error}")));
        disk.record(&std::fs::read(path).unwrap());
        load(&disk.image(random));
    }
    let bus = Bus::open(path, before.known.clone(), before.archived.clone(), before.boot + 1, before.day);
    let mut bus = bus.unwrap_or_else(|error| panic!("{what}: {error}"));
    let recovery = bus.writer.recovery().clone();
    let next = bus.writer.next_seq() as usize;
    assert!(recovery.other_boot, "{what}");
    let candidates = [Some(before.durable), before.underway];
    let durable = candidates.into_iter().flatten().find(|durable| durable.rows == next);
    let durable =
        durable.unwrap_or_else(|| panic!("{what}: continues at {next}, the synced cursors are {candidates:?}"));

    // The recovery report counts dropped rows only.
    let lost = &before.known.rows[next..];
    assert!(recovery.dropped_rows <= lost.len() as u64, "{what}: {recovery:?} of {}", lost.len());
    if let Some((low, high)) = recovery.dropped_frames_ms {
        let frames = |end: Option<&Row>| end.expect("rows were lost").frame_ms;
        assert!(frames(lost.first()) <= low && low <= high && high <= frames(lost.last()), "{what}: {recovery:?}");
        assert!(recovery.dropped_rows > 0, "{what}: {recovery:?}");
    }

    let known = &before.known;
    assert!(
        before.archived.iter().next_back().is_none_or(|&last| last < next as u64),
        "{what}: archived, and assigned again"
    );
    let report = bus.writer.ring().verify();
    assert_eq!(report.problems, [""; 0], "{what}");
    let ring = Ring::attach(path).unwrap();
    assert!(ring.is_of_this_boot());
    for max in [1_000, 7] {
        let (rows, closes) = read_all(&ring, max);
        let mut expected = 0;
        for row in &rows {
            assert_eq!(Some(row), known.rows[..next].get(row.seq as usize), "{what}");
            assert_eq!(ring.symbol(row.symbol).as_ref(), Some(&known.symbols[row.symbol.0 as usize]), "{what}");
            // Missing rows must be archived.
            assert!((expected..row.seq).all(|seq| before.archived.contains(&seq)), "{what}: {expected} to {}", row.seq);
            expected = row.seq + 1;
        }
        assert!((expected..next as u64).all(|seq| before.archived.contains(&seq)), "{what}: from {expected} on");
        assert!(closes.iter().all(|close| known.closes.contains(close)), "{what}: {closes:?}");
        for close in &known.closes[..durable.closes] {
            if rows.iter().any(|row| row.seq + 1 == close.1) {
                assert!(closes.contains(close), "{what}: the close of {close:?} is gone");
            }
        }
    }

    // Maintenance finds every row that is not archived.
    let mut waiting = BTreeMap::new();
    for block in bus.maintenance.unpersisted() {
        let mut rows = Vec::new();
        assert!(bus.maintenance.rows(block.block, 0, block.rows, &mut rows), "{what}");
        waiting.extend(rows.into_iter().map(|row| (row.seq, row)));
    }
    for (seq, row) in &waiting {
        assert_eq!(Some(row), known.rows[..next].get(*seq as usize), "{what}");
    }
    for seq in 0..next as u64 {
        assert!(waiting.contains_key(&seq) || before.archived.contains(&seq), "{what}: row {seq} is in no archive");
    }

    // The writer continues, and a live reader finds exactly its rows.
    bus.known.rows.truncate(next);
    bus.known.symbols.truncate(bus.writer.ring().symbol_count() as usize);
    // A close after the sync may have reached the disk or not.
    let (_, found) = read_all(&ring, 1_000);
    bus.known.closes = known.closes[..durable.closes].to_vec();
    bus.known.closes.extend(known.closes[durable.closes..].iter().filter(|close| found.contains(close)));
    bus.durable = Durable { rows: next, closes: bus.known.closes.len() };
    let mut live = RingReader::new(&ring, RingStart::Live).unwrap();
    let mut random = Random(next as u64);
    if bus.known.symbols.is_empty() {
        bus.intern();
    }
    let room = bus.push(3, &mut random);
    let mut rows = Vec::new();
    while live.poll(&ring, &mut rows, 100) != Polled::Empty {}
    assert_eq!(rows, bus.known.rows[next..], "{what}");
    assert!(room || rows.len() < 3);
    bus
}

#[test]
fn every_image_is_taken_over_up_to_the_durable_cursor() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let images = number("BARBUS_POWER_LOSS_IMAGES", 200);
    let seed = number("BARBUS_POWER_LOSS_SEED", 1);
    // On a tmpfs if there is one: the test simulates the disk.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("bars.ring");
    let (mut made, mut lives, mut torn, mut dropped, mut frames, mut halfway) = (0, seed, 0, 0, 0, 0);
    while made < images {
        let mut random = Random(lives);
        let spec = Spec {
            blocks: [3, 4, 6, 9][random.below(4) as usize],
            rows_per_block: [64, 64, 128, 512][random.below(4) as usize],
            tip_rows: [64, 128][random.below(2) as usize],
            symbols: 64,
            symbol_bytes: 512,
            ..Spec::default()
        };
        let _ = std::fs::remove_file(&path);
        create(&path, &spec).unwrap();
        let mut bus = Bus::open(&path, Known::default(), BTreeSet::new(), 1, 10).unwrap();
        // Several power losses in a row, each with what the one before has left.
        for loss in 0..1 + random.below(4) {
            bus.run(&mut random);
            let image = bus.disk.image(&mut random);
            let what = format!("seed {lives}, loss {loss}, {spec:?}");
            bus = take_over(&path, &image, &bus, &mut random, &what);
            let recovery = bus.writer.recovery();
            torn += u64::from(recovery.torn_blocks);
            dropped += recovery.dropped_rows;
            frames += u64::from(recovery.dropped_frames_ms.is_some());
            halfway += u64::from(bus.durable.rows > 0);
            made += 1;
        }
        lives += 1;
    }
    println!(
        "{made} images, seeds {seed} to {}: {torn} torn blocks dropped, {dropped} rows known to be dropped, their frames reported {frames} times",
        lives - 1
    );
    // The images contain the cases that this test is for.
    assert!(images < 100 || torn > 0 && dropped > 0 && frames > 0 && halfway > 0);
}
