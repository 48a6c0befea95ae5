//! Scenarios of blocks: headers, seals, and slots that are recycled under a reader.

use super::scenario::{ROWS, Scenario, SharedWords, assert_whole, full, poll, push};
use crate::layout::*;
use crate::{Polled, RingReader, RingStart};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a reader whose block is recycled during the copy is lapped",
        reserve: 0,
        prepare: |writer| full(writer, 1),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Oldest).unwrap();
            let thread = loom::thread::spawn(move || poll(&arena.ring(), &mut reader, 1));
            push(&mut writer, 1);
            vec![thread.join().unwrap()]
        },
        outcomes: &["0", "64 missed"],
    },
    Scenario {
        name: "symbols of a block that is recycled during the copy are not returned",
        reserve: 0,
        prepare: |writer| full(writer, 1),
        shared: |g| {
            let first_frame = g.slot(0) + g.columns[crate::columns::FRAME].values;
            SharedWords::default().slot(g, 0).word(first_frame)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Oldest).unwrap();
            let thread = loom::thread::spawn(move || {
                let (mut symbols, mut last_ms) = (Vec::new(), -1);
                let said = match reader.poll_symbols(&arena.ring(), &mut symbols, &mut last_ms, 1) {
                    Polled::Rows(1) => format!("frame {last_ms}"),
                    Polled::Lapped { missed } => format!("{missed} missed"),
                    other => panic!("{other:?}"),
                };
                assert_eq!(symbols.len(), usize::from(last_ms == 0));
                said
            });
            push(&mut writer, 1);
            vec![thread.join().unwrap()]
        },
        outcomes: &["64 missed", "frame 0"],
    },
    Scenario {
        name: "a header is read as a whole",
        reserve: 0,
        prepare: |writer| full(writer, 1),
        shared: |g| SharedWords::default().slot(g, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || match arena.ring().header(0) {
                Some(header) => format!("{} from {} sealed {}", header.block, header.first_seq, header.sealed()),
                None => "none".to_owned(),
            });
            push(&mut writer, 1);
            vec![thread.join().unwrap()]
        },
        outcomes: &["1 from 0 sealed true", "4 from 192 sealed false", "none"],
    },
    Scenario {
        name: "a live reader starts after the newest row",
        reserve: 0,
        prepare: |writer| full(writer, 1),
        shared: |g| SharedWords::default().slot(g, 0).tip(g, 192),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let reader = RingReader::try_new(&arena.ring(), RingStart::Live);
                reader.map_or("retry".to_owned(), |reader| {
                    let at = reader.unwrap().position();
                    format!("{} in {}:{}", at.seq, at.block, at.row)
                })
            });
            push(&mut writer, 1);
            vec![thread.join().unwrap()]
        },
        outcomes: &["192 in 3:64", "192 in 4:0", "193 in 4:1"],
    },
    Scenario {
        name: "all rows of a sealed block are found",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS - 1);
        },
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 63).word(DIRECTORY + 8).word(g.slot(1) + BH_BLOCK),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let mut rows = Vec::new();
                let (newest, _) = ring.cursor();
                if newest == 2 {
                    // The writer has sealed block 1 before.
                    ring.copy_rows(0, 63, ring.committed_rows(0, 1), &mut rows);
                    assert_eq!(rows.len(), 1);
                    assert_whole(&rows[0], 63);
                }
                format!("block {newest}")
            });
            push(&mut writer, 2);
            vec![thread.join().unwrap()]
        },
        outcomes: &["block 1", "block 2"],
    },
    Scenario {
        name: "a reader enters the next block",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS - 1);
        },
        shared: |g| {
            SharedWords::default().tip(g, 63).slot(g, 0).word(DIRECTORY + 8).word(g.slot(1) + BH_BLOCK).tip(g, 64)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || poll(&arena.ring(), &mut reader, 2));
            push(&mut writer, 2);
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "63", "63 64"],
    },
    Scenario {
        name: "a reader that finds a new block does not find the old block's seal",
        reserve: 0,
        prepare: |writer| {
            full(writer, 1);
            writer.close_day();
        },
        shared: |g| SharedWords::default().word(DIRECTORY).word(g.slot(0) + BH_BLOCK).word(g.slot(0) + BH_STATE),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let Some(slot) = ring.slot_of(4) else { return "not yet" };
                assert_eq!(ring.u64(ring.geometry.slot(slot) + BH_STATE), 0, "the seal of block 1");
                "found"
            });
            writer.begin_day(2);
            push(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["found", "not yet"],
    },
    Scenario {
        name: "a reader that finds a block's seal also finds its rows",
        reserve: 0,
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().word(SB_CURSOR).word(g.slot(0) + BH_STATE).columns(g, 0, 2),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                // From the columns, although the tip has the row too.
                reader.poll_columns(&arena.ring(), &mut rows, 1);
                rows.iter().for_each(|row| assert_whole(row, 2));
                format!("{} rows", rows.len())
            });
            push(&mut writer, 1);
            writer.write_back();
            writer.seal_block();
            vec![thread.join().unwrap()]
        },
        outcomes: &["0 rows", "1 rows"],
    },
];
