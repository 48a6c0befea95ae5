//! Scenarios of syncs: the durable cursor, its symbols and its block.

use super::scenario::{ROWS, Scenario, SharedWords, full, push, row};
use crate::Row;
use crate::layout::*;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the symbols of synced rows are synced",
        reserve: 0,
        prepare: |writer| {
            writer.intern("A").unwrap();
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |_| SharedWords::default().word(SB_CURSOR).word32(SB_SYMBOL_COUNT),
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let ring = arena.ring();
            let thread = loom::thread::spawn(move || {
                maintenance.sync().unwrap();
                let (rows, symbols) = (ring.u64(SB_DURABLE_CURSOR) as u32, ring.u32(SB_DURABLE_SYMBOLS));
                assert!(rows < 3 || symbols == 2, "a synced row's symbol is not");
                format!("{rows} rows, {symbols} symbols")
            });
            let symbol = writer.intern("BC").unwrap();
            writer.push(&Row { symbol, ..row(2) }).unwrap();
            writer.write_back();
            vec![thread.join().unwrap()]
        },
        outcomes: &["2 rows, 1 symbols", "2 rows, 2 symbols", "3 rows, 2 symbols"],
    },
    Scenario {
        name: "the block of a cursor that is being synced is kept",
        reserve: 0,
        prepare: |writer| full(writer, 1),
        shared: |g| {
            let durable = [SB_DURABLE_NEXT, SB_DURABLE_CURSOR, SB_DURABLE_BEFORE];
            let shared = durable.into_iter().fold(SharedWords::default(), SharedWords::word);
            shared.word(g.slot(2) + BH_BLOCK).word(SB_CURSOR)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let ring = arena.ring();
            // A sync is announced for block 3. Then the cursor enters block 4, and block 3 is
            // archived: its slot would be the one for block 5.
            let announced = maintenance.announce_sync();
            assert_eq!(announced >> 32, 3);
            push(&mut writer, 1);
            maintenance.mark_persisted(3);
            writer.seal_block();
            let thread = loom::thread::spawn(move || {
                let to_disk = || {
                    // The disk may hold either of these cursors by now: both blocks must be in the
                    // ring.
                    for cursor in [SB_DURABLE_CURSOR, SB_DURABLE_BEFORE] {
                        let there = ring.u64(cursor) >> 32 != 3 || ring.block_in(2) == Some(3);
                        assert!(there, "the block of a durable cursor was reused");
                    }
                    Ok(())
                };
                // The second write of this sync fails: the disk may hold either cursor.
                let mut halves = 0;
                let synced = maintenance.sync_announced(announced, || {
                    halves += 1;
                    let failure = || crate::RingError::Spec { what: "the disk has failed".into() };
                    if halves == 2 { Err(failure()) } else { to_disk() }
                });
                assert!(synced.is_err());
                let next = maintenance.announce_sync();
                maintenance.sync_announced(next, to_disk).unwrap();
            });
            let pushed = writer.push(&row(3 * ROWS + 1)).is_ok();
            thread.join().unwrap();
            vec![(if pushed { "went on" } else { "full" }).to_owned()]
        },
        outcomes: &["full", "went on"],
    },
    Scenario {
        name: "a sync announces a cursor before the writer leaves its block, or finds that it has left",
        reserve: 0,
        prepare: |writer| full(writer, 1),
        shared: |g| SharedWords::default().word(SB_DURABLE_NEXT).word(SB_CURSOR).word(g.slot(2) + BH_BLOCK),
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let ring = arena.ring();
            let thread = loom::thread::spawn(move || {
                let cursor = maintenance.announce_sync();
                let there = cursor >> 32 != 3 || ring.block_in(2) == Some(3);
                assert!(there, "the block of a cursor that will be durable was reused");
            });
            push(&mut writer, 1);
            writer.maintenance().mark_persisted(3);
            writer.seal_block();
            let pushed = writer.push(&row(3 * ROWS + 1)).is_ok();
            thread.join().unwrap();
            vec![(if pushed { "went on" } else { "full" }).to_owned()]
        },
        outcomes: &["full", "went on"],
    },
];
