//! What a writer finds when it takes a ring over, and what readers of that ring then return.
//!
//! The tests write to the file what a crash would have left there. Every map of the file sees such
//! a write.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use barbus_ring::layout::*;
use barbus_ring::{Polled, Ring, RingReader, RingStart, RingWriter, Row, Spec, SymbolId, create};

fn ring(spec: &Spec) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bars.ring");
    create(&path, spec).unwrap();
    (dir, path)
}

fn small() -> Spec {
    Spec { blocks: 4, rows_per_block: 64, tip_rows: 64, symbols: 16, symbol_bytes: 128, ..Spec::default() }
}

fn set(path: &Path, offset: usize, value: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&value.to_le_bytes(), offset as u64).unwrap();
}

fn row(i: u64) -> Row {
    Row { symbol: SymbolId(0), frame_ms: i as i64, close: i as f64, received_ns: -(i as i64), ..Row::default() }
}

fn push(writer: &mut RingWriter, seqs: std::ops::Range<u64>) {
    seqs.for_each(|i| assert_eq!(writer.push(&row(i)).unwrap(), i));
    writer.write_back();
}

/// Every row from `start` on, by polls of `max` rows.
fn read(ring: &Ring, start: RingStart, max: usize) -> Vec<u64> {
    let mut reader = RingReader::new(ring, start).unwrap();
    let mut rows = Vec::new();
    while reader.poll(ring, &mut rows, max) != Polled::Empty {}
    rows.iter().for_each(|found| assert_eq!(*found, Row { seq: found.seq, ..row(found.seq) }));
    rows.iter().map(|row| row.seq).collect()
}

/// Promise 6, after a reboot: readers find every synced row at once.
#[test]
fn after_a_reboot_every_durable_row_can_be_read() {
    for (durable, rows) in [(100, 130), (128, 130), (63, 200), (64, 65)] {
        let (_dir, path) = ring(&small());
        let mut writer = RingWriter::open(&path).unwrap();
        writer.intern("A").unwrap();
        writer.begin_day(10);
        push(&mut writer, 0..durable);
        writer.maintenance().sync().unwrap();
        push(&mut writer, durable..rows);
        drop(writer);
        set(&path, SB_BOOT_ID, 1);

        let mut writer = RingWriter::open(&path).unwrap();
        assert!(writer.recovery().other_boot);
        assert_eq!(writer.recovery().dropped_rows, rows - durable);
        assert_eq!(writer.next_seq(), durable);
        let ring = Ring::attach(&path).unwrap();
        for max in [1, 1000] {
            assert_eq!(read(&ring, RingStart::Oldest, max), (0..durable).collect::<Vec<_>>());
            assert_eq!(read(&ring, RingStart::Seq(durable - 1), max), [durable - 1]);
        }
        let mut live = RingReader::new(&ring, RingStart::Live).unwrap();
        push(&mut writer, durable..durable + 3);
        let mut rows = Vec::new();
        while live.poll(&ring, &mut rows, 100) != Polled::Empty {}
        assert_eq!(rows.len(), 3, "live");
        assert_eq!(read(&ring, RingStart::Oldest, 7), (0..durable + 3).collect::<Vec<_>>());
    }
}

/// Promise 6: a published row is kept even if only the tip has it, and a reader may resume after
/// it.
#[test]
fn a_row_in_the_tip_is_completed_and_a_reader_can_resume_after_it() {
    let (_dir, path) = ring(&small());
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    for rows in 1..150u64 {
        push(&mut writer, rows - 1..rows);
        // As if the writer had died between the stamp and the cursor. If the row is the first of
        // its block, the cursor names the block already.
        let cursor =
            std::fs::read(&path).unwrap()[SB_CURSOR..SB_CURSOR + 8].try_into().map(u64::from_le_bytes).unwrap();
        set(&path, SB_CURSOR, cursor - 1);
        let ring = Ring::attach(&path).unwrap();
        assert_eq!(RingReader::new(&ring, RingStart::Seq(rows)).unwrap().position().seq, rows);
        RingReader::new(&ring, RingStart::Seq(rows + 1)).unwrap_err();
        drop(writer);
        writer = RingWriter::open(&path).unwrap();
        assert_eq!((writer.recovery().completed_rows, writer.next_seq()), (1, rows));
    }
    assert_eq!(read(&Ring::attach(&path).unwrap(), RingStart::Oldest, 1000), (0..149).collect::<Vec<_>>());
}

/// The slot of the newest block is never reused for the next block. Otherwise the cursor would name
/// a block that is in no slot.
#[test]
fn the_newest_block_is_kept_until_the_next_is_open() {
    let (_dir, path) = ring(&Spec { blocks: 2, ..small() });
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 0..70);
    writer.close_day();
    writer.maintenance().mark_persisted(2);
    writer.begin_day(11);
    writer.push(&row(70)).unwrap_err();
    writer.maintenance().mark_persisted(1);
    push(&mut writer, 70..71);
    assert_eq!(read(&Ring::attach(&path).unwrap(), RingStart::Oldest, 1000), (64..71).collect::<Vec<_>>());
}

/// Promise 6: after a power loss the ring holds the durable cursor's block, even if the writer has
/// wrapped around since the last sync.
#[test]
fn the_durable_block_is_kept_until_another_is_durable() {
    let (_dir, path) = ring(&small());
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    let maintenance = writer.maintenance();
    push(&mut writer, 0..70);
    maintenance.sync().unwrap();
    for seq in 70..1_000 {
        push(&mut writer, seq..seq + 1);
        maintenance.unpersisted().iter().filter(|b| b.sealed).for_each(|b| maintenance.mark_persisted(b.block));
    }
    drop((writer, maintenance));
    set(&path, SB_BOOT_ID, 1);
    let writer = RingWriter::open(&path).unwrap();
    assert!(writer.recovery().other_boot);
    assert_eq!(writer.next_seq(), 70);
    assert_eq!(read(&Ring::attach(&path).unwrap(), RingStart::Oldest, 1_000), (64..70).collect::<Vec<_>>());
}

/// A writer in a ring of four blocks. Two of them are archived: the first is durable; the second is
/// the newest, and its day is closed.
fn archived(path: &Path) -> RingWriter {
    let mut writer = RingWriter::open(path).unwrap();
    let maintenance = writer.maintenance();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 0..64);
    maintenance.sync().unwrap();
    push(&mut writer, 64..70);
    writer.close_day();
    (1..=2).for_each(|block| maintenance.mark_persisted(block));
    writer.begin_day(11);
    writer
}

/// Pushes rows until the ring is full.
fn fill(writer: &mut RingWriter) {
    while writer.push(&row(writer.next_seq())).is_ok() {}
}

fn found_after_another_boot(path: &Path) -> u64 {
    set(path, SB_BOOT_ID, 1);
    RingWriter::open(path).unwrap().next_seq()
}

/// Promise 6: the block that a sync is about to make durable is kept, although it is archived and
/// the writer wraps around meanwhile.
#[test]
fn the_block_that_is_being_synced_is_kept() {
    let (_dir, path) = ring(&small());
    let mut writer = archived(&path);
    let mut halves = 0;
    writer
        .maintenance()
        .sync_by(|| {
            fill(&mut writer);
            halves += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(halves, 2);
    drop(writer);
    assert_eq!(found_after_another_boot(&path), 70);
}

/// Promise 6: the block of the durable cursor is kept until the next durable cursor is on disk,
/// even if another writer takes over during that sync.
#[test]
fn the_old_durable_block_is_kept_until_the_new_one_is_on_disk() {
    for again in [false, true] {
        let (_dir, path) = ring(&small());
        let mut writer = archived(&path);
        let durable =
            std::fs::read(&path).unwrap()[SB_DURABLE_CURSOR..][..8].try_into().map(u64::from_le_bytes).unwrap();
        assert_eq!(durable, 1 << 32 | 64);
        let mut halves = 0;
        let refused = writer.maintenance().sync_by(|| {
            halves += 1;
            match halves {
                1 => Ok(()),
                _ => Err(barbus_ring::RingError::Spec { what: "the disk refuses".into() }),
            }
        });
        refused.unwrap_err();
        if again {
            drop(writer);
            writer = RingWriter::open(&path).unwrap();
        }
        fill(&mut writer);
        drop(writer);
        // The disk has the earlier superblock.
        set(&path, SB_DURABLE_CURSOR, durable);
        assert_eq!(found_after_another_boot(&path), 64);
    }
}

/// Promise 7: an archive file relies on the cursor that was synced before it, so a slower sync must
/// not move that back.
#[test]
fn the_durable_cursor_never_moves_back() {
    let (_dir, path) = ring(&small());
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 0..10);
    let mut other = None;
    let slow = writer.maintenance();
    slow.sync_by(|| {
        if other.is_none() {
            push(&mut writer, 10..20);
            let (maintenance, (done, finished)) = (writer.maintenance(), std::sync::mpsc::channel());
            other = Some(std::thread::spawn(move || {
                maintenance.sync().unwrap();
                let _ = done.send(());
            }));
            // Time for the other sync to overtake this one, if it could.
            let _ = finished.recv_timeout(std::time::Duration::from_millis(100));
        }
        Ok(())
    })
    .unwrap();
    other.unwrap().join().unwrap();
    drop(writer);
    assert_eq!(found_after_another_boot(&path), 20);
}

/// Promise 6: the recovery report counts the dropped rows and has their frames.
#[test]
fn recovery_reports_the_dropped_rows() {
    let (_dir, path) = ring(&small());
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 0..10);
    writer.maintenance().sync().unwrap();
    push(&mut writer, 10..30);
    drop(writer);
    set(&path, SB_BOOT_ID, 1);
    // The cursor did not reach the disk.
    set(&path, SB_CURSOR, 1 << 32 | 10);
    let writer = RingWriter::open(&path).unwrap();
    assert_eq!((writer.recovery().dropped_rows, writer.recovery().dropped_frames_ms), (20, Some((10, 29))));
    drop(writer);
    let again = RingWriter::open(&path).unwrap();
    assert_eq!(*again.recovery(), Default::default());
}

/// Promise 6: a slot that was being reused at the power loss is not read as the block that its
/// header on disk still names.
#[test]
fn a_block_that_does_not_match_its_checksum_is_dropped_after_a_reboot() {
    let (_dir, path) = ring(&small());
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 0..200);
    let maintenance = writer.maintenance();
    (1..=3).for_each(|block| maintenance.seal_checksum(block));
    maintenance.sync().unwrap();
    drop((writer, maintenance));
    let bytes = std::fs::read(&path).unwrap();
    let word = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
    let closes = u64::from_le_bytes(bytes[SB_COLUMN_TABLE + 80..][..8].try_into().unwrap()) & 0xffff_ffff;
    set(&path, (word(SB_SLOTS_OFFSET) + word(SB_SLOT_BYTES) + closes) as usize, 1);

    let writer = RingWriter::open(&path).unwrap();
    assert_eq!(writer.recovery().torn_blocks, 0, "in the same boot no checksum is compared");
    drop(writer);
    set(&path, SB_BOOT_ID, 1);
    let mut writer = RingWriter::open(&path).unwrap();
    assert_eq!((writer.recovery().torn_blocks, writer.next_seq()), (1, 200));
    let ring = Ring::attach(&path).unwrap();
    let mut reader = RingReader::new(&ring, RingStart::Oldest).unwrap();
    assert_eq!(reader.poll(&ring, &mut Vec::new(), 100), Polled::Rows(64));
    assert_eq!(reader.poll(&ring, &mut Vec::new(), 100), Polled::Lapped { missed: 64 });
    push(&mut writer, 200..300);
}

/// Promise 4: rows of a replaced file are counted as missed, even if the new file has no row yet.
#[test]
fn rows_of_a_replaced_file_are_counted_as_missed() {
    let (_dir, path) = ring(&Spec { first_seq: 500, ..small() });
    let ring = Ring::attach(&path).unwrap();
    let mut behind = RingReader::new(&ring, RingStart::Seq(380)).unwrap();
    let mut next = RingReader::new(&ring, RingStart::Seq(500)).unwrap();
    let mut rows = Vec::new();
    assert_eq!(behind.poll(&ring, &mut rows, 9), Polled::Empty);
    assert_eq!(next.poll(&ring, &mut rows, 9), Polled::Empty);
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 500..503);
    assert_eq!(behind.poll(&ring, &mut rows, 9), Polled::Lapped { missed: 120 });
    assert_eq!(behind.poll(&ring, &mut rows, 9), Polled::Rows(3));
    assert_eq!(next.poll(&ring, &mut rows, 9), Polled::Rows(3));
}

/// Promise 9: whatever a block header, the directory, the cursor or a stamp holds, readers and the
/// next writer return a value or an error.
#[test]
fn any_wrong_word_is_handled() {
    let (dir, path) = ring(&small());
    let mut writer = RingWriter::open(&path).unwrap();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 0..150);
    writer.close_day();
    drop(writer);
    let good = std::fs::read(&path).unwrap();
    let word = |offset: usize| u64::from_le_bytes(good[offset..offset + 8].try_into().unwrap());
    let (slots, slot_bytes, tip) = (word(SB_SLOTS_OFFSET), word(SB_SLOT_BYTES), word(SB_TIP));
    let mut words: Vec<usize> =
        vec![SB_CURSOR, SB_DURABLE_CURSOR, SB_SYMBOL_COUNT, DIRECTORY, DIRECTORY + 8, DIRECTORY + 16];
    for slot in 0..3 {
        let at = (slots + slot * slot_bytes) as usize;
        words.extend([BH_BLOCK, BH_FIRST_SEQ, BH_DAY, BH_STATE, BH_CRC, BH_PERSISTED].map(|offset| at + offset));
    }
    words.extend([TIP_STAMP, TIP_POSITION, 21 * TIP_ROW + TIP_STAMP, 22 * TIP_ROW].map(|offset| tip as usize + offset));
    let broken = dir.path().join("broken.ring");
    std::fs::write(&broken, &good).unwrap();
    let values = [0, 1, 2, 3, 1 << 32, 3 << 32 | 64, 1 << 62, 1 << 63, i64::MAX as u64, u64::MAX - 1, u64::MAX];
    for &offset in &words {
        for value in values {
            for boot in [word(SB_BOOT_ID), 1] {
                let file = std::fs::OpenOptions::new().write(true).open(&broken).unwrap();
                file.write_all_at(&good, 0).unwrap();
                set(&broken, offset, value);
                set(&broken, SB_BOOT_ID, boot);
                let ring = Ring::attach(&broken).unwrap();
                ring.status();
                ring.verify();
                let starts = [
                    RingStart::Live,
                    RingStart::Oldest,
                    RingStart::Today,
                    RingStart::Day(10),
                    RingStart::Seq(50),
                    RingStart::Seq(150),
                ];
                for start in starts {
                    let Ok(mut reader) = RingReader::new(&ring, start) else { continue };
                    let mut rows = Vec::new();
                    for _ in 0..10 {
                        reader.poll(&ring, &mut rows, 1000);
                    }
                }
                if let Ok(mut writer) = RingWriter::open(&broken) {
                    writer.maintenance().unpersisted();
                    writer.begin_day(11);
                    (0..70).for_each(|i| _ = writer.push(&row(i)));
                    writer.close_day();
                }
            }
        }
    }
}

/// Promise 6: a file that was copied while the writer reused a slot and sealed the newest block has
/// every row that its cursor counts, and no other one.
#[test]
fn a_copy_of_a_ring_in_use_keeps_what_its_cursor_counts() {
    let (dir, path) = ring(&small());
    let mut writer = RingWriter::open(&path).unwrap();
    let maintenance = writer.maintenance();
    writer.intern("A").unwrap();
    writer.begin_day(10);
    push(&mut writer, 0..200);
    (1..=3).for_each(|block| maintenance.seal_checksum(block));
    maintenance.mark_persisted(1);
    // The copy begins here: it has the superblock and the header of the first slot.
    let mut copy = std::fs::read(&path).unwrap();
    let slots = copy[SB_SLOTS_OFFSET..][..8].try_into().map(u64::from_le_bytes).unwrap() as usize;
    push(&mut writer, 200..300);
    maintenance.seal_checksum(4);
    let later = std::fs::read(&path).unwrap();
    let copied_so_far = slots + BH_END;
    assert_ne!(copy[slots..copied_so_far], later[slots..copied_so_far], "the slot was not reused");
    copy[copied_so_far..].copy_from_slice(&later[copied_so_far..]);
    let copied = dir.path().join("copy.ring");
    std::fs::write(&copied, copy).unwrap();

    let mut writer = RingWriter::open(&copied).unwrap();
    assert_eq!((writer.recovery().copied, writer.recovery().torn_blocks, writer.next_seq()), (true, 1, 200));
    let ring = Ring::attach(&copied).unwrap();
    assert_eq!(read(&ring, RingStart::Oldest, 1_000), (64..200).collect::<Vec<_>>());
    assert_eq!(ring.verify().problems, [""; 0]);
    push(&mut writer, 200..260);
    assert_eq!(read(&ring, RingStart::Oldest, 1_000), (64..260).collect::<Vec<_>>());
    drop(writer);
    assert!(!RingWriter::open(&copied).unwrap().recovery().copied, "it is a ring like any other now");
}
