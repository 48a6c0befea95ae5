//! Scenarios of trading days: closes that are stored with the last block or after it.

use super::scenario::{ROWS, Scenario, SharedWords, poll, push};
use crate::layout::*;
use crate::{RingReader, RingStart};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a day's close is reported after its last row",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().tip(g, 2).slot(g, 0).columns(g, 0, 2),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || poll(&arena.ring(), &mut reader, 2));
            push(&mut writer, 1);
            writer.close_day();
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "2", "2 day 1"],
    },
    Scenario {
        name: "a close that is added to a full block is reported before the next block's rows",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS);
            writer.seal_block();
        },
        shared: |g| {
            let tip = g.tip_slot(64);
            let shared = SharedWords::default().word(SB_CURSOR).word(g.slot(0) + BH_STATE).word(DIRECTORY + 8);
            shared.word(g.slot(1) + BH_BLOCK).word(tip + TIP_STAMP).word(tip + TIP_POSITION)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || poll(&arena.ring(), &mut reader, 1));
            writer.day = Some(1);
            writer.close_day();
            writer.begin_day(2);
            push(&mut writer, 1);
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "day 1"],
    },
    Scenario {
        name: "a header that gets a day's close during its checksum ends with the right one",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS);
            writer.seal_block();
        },
        shared: |g| SharedWords::default().word(g.slot(0) + BH_STATE).word(g.slot(0) + BH_HEADER_CRC),
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let ring = arena.ring();
            let thread = loom::thread::spawn(move || maintenance.seal_checksum(1));
            assert!(writer.close_day());
            thread.join().unwrap();
            let found = ring.u64(ring.geometry.slot(0) + BH_HEADER_CRC);
            vec![
                if found == CRC_VALID | u64::from(ring.header_crc(0)) { "matches" } else { "does not match" }
                    .to_owned(),
            ]
        },
        outcomes: &["matches"],
    },
];
