//! Scenarios of columns: the rows that the cursor and the Arrow lengths count.

use super::scenario::{ROWS, Scenario, SharedWords, assert_whole, push, stamp};
use crate::layout::*;
use crate::{RingReader, RingStart};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "the columns hold every row that the cursor counts",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().word(SB_CURSOR).columns(g, 0, 2),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let row = (ring.committed_rows(0, 1) > 2).then(|| ring.copy_row(0, 2));
                row.iter().for_each(|row| assert_whole(row, 2));
                row.map_or("not yet", |_| "found")
            });
            push(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["found", "not yet"],
    },
    Scenario {
        name: "a reader that finds a later row in the tip finds the columns of the group before it",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS / 2 - 1);
        },
        shared: |g| SharedWords::default().tip(g, ROWS / 2).word(SB_CURSOR).columns(g, 0, 31),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                if !ring.tip_reached(ROWS / 2) {
                    return "not yet".to_owned();
                }
                let mut rows = Vec::new();
                reader.poll_columns(&ring, &mut rows, 1);
                rows.iter().for_each(|row| assert_whole(row, ROWS / 2 - 1));
                format!("{} rows", rows.len())
            });
            stamp(&mut writer, 2);
            vec![thread.join().unwrap()]
        },
        outcomes: &["1 rows", "not yet"],
    },
    Scenario {
        name: "an Arrow reader finds the rows that the lengths count",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
            writer.write_back();
        },
        shared: |g| {
            SharedWords::default().columns(g, 0, 2).word(g.slot(0) + crate::arrow_messages::slot_message(g).length)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let length =
                    ring.u64(ring.geometry.slot(0) + crate::arrow_messages::slot_message(&ring.geometry).length);
                // An Arrow reader that uses an acquire load.
                loom::sync::atomic::fence(loom::sync::atomic::Ordering::Acquire);
                let mut rows = Vec::new();
                ring.copy_rows(0, 0, length as u32, &mut rows);
                (0..).zip(&rows).for_each(|(number, row)| assert_whole(row, number));
                length.to_string()
            });
            push(&mut writer, 1);
            writer.write_back();
            vec![thread.join().unwrap()]
        },
        outcomes: &["2", "3"],
    },
];
