//! Scenarios of rows as they are published: the tip, the commit count, the superseded flag.

use super::scenario::{ROWS, Scenario, SharedWords, assert_whole, poll, push, stamp};
use crate::layout::*;
use crate::{RingReader, RingStart, Row};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a reader at the tip finds whole rows in order",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().tip(g, 2).tip(g, 3).word(SB_CURSOR),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || poll(&arena.ring(), &mut reader, 2));
            stamp(&mut writer, 2);
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "2", "2 3"],
    },
    Scenario {
        name: "a row that is overwritten in the tip is not returned",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS);
        },
        shared: |g| SharedWords::default().tip(g, 0).word(SB_TIP_CLAIMED),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let mut row = Row::default();
                match arena.ring().read_tip(0, &mut row) {
                    crate::tip::TipRead::Row(position) => {
                        assert_whole(&row, 0);
                        assert_eq!(position, 1 << 32);
                        "found"
                    }
                    crate::tip::TipRead::Overwritten => "overwritten",
                    crate::tip::TipRead::NotYet => "not yet",
                }
            });
            stamp(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["found", "overwritten"],
    },
    Scenario {
        name: "a row that was read is found again, in the tip or in the columns",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().tip(g, 2).word(SB_CURSOR).columns(g, 0, 2),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let seen = poll(&ring, &mut reader, 1);
                if !seen.is_empty() {
                    let place = crate::RowLocation { seq: 2, block: 1, slot: 0, row: 2 };
                    assert_whole(&ring.row(place).expect("the reader has read it"), 2);
                }
                seen
            });
            push(&mut writer, 1);
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "2"],
    },
    Scenario {
        name: "a reader does not sleep on a commit count whose rows it has not read",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().tip(g, 2).word32(SB_COMMITS),
        run: |arena| {
            let mut writer = arena.writer();
            let ring = arena.ring();
            let mut reader = RingReader::new(&ring, RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let seen = ring.commits();
                (seen, poll(&ring, &mut reader, 1))
            });
            stamp(&mut writer, 1);
            writer.wake();
            let (seen, found) = thread.join().unwrap();
            // The kernel returns at once if the count is no longer the one that the reader loaded.
            assert!(!found.is_empty() || seen != ring.commits(), "a reader sleeps although a row is published");
            vec![found]
        },
        outcomes: &["", "2"],
    },
    Scenario {
        name: "a reader that finds a ring superseded also finds its last row",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().tip(g, 2).word(SB_SUPERSEDED),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                if !ring.superseded() {
                    return "not yet".to_owned();
                }
                poll(&ring, &mut reader, 1)
            });
            stamp(&mut writer, 1);
            writer.set_superseded(true);
            vec![thread.join().unwrap()]
        },
        outcomes: &["2", "not yet"],
    },
    Scenario {
        name: "a reader that finds a watermark also finds the row before it",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().tip(g, 2).word(SB_WATERMARK_MS),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                if ring.watermark_ms() < 2 {
                    return "not yet".to_owned();
                }
                poll(&ring, &mut reader, 1)
            });
            stamp(&mut writer, 1);
            writer.set_watermark_ms(2);
            vec![thread.join().unwrap()]
        },
        outcomes: &["2", "not yet"],
    },
];
