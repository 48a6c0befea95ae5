//! Scenarios of slots that must not be reused: pinned ones and those that are not archived.

use barbus_shm::Pin;

use super::scenario::{CLOSE, OPEN, ROWS, Scenario, SharedWords, assert_whole, full, push, row};
use crate::layout::*;
use crate::{CopyReason, RingFull};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a pinned slot is not reused",
        reserve: 0,
        prepare: |writer| full(writer, 2),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let Some(held) = ring.hold(1).unwrap() else { return "gone" };
                assert_eq!((held.first_seq, held.len() as u64), (0, ROWS));
                for _ in 0..2 {
                    let mut rows = Vec::new();
                    ring.copy_rows(0, 0, 1, &mut rows);
                    assert_whole(&rows[0], 0);
                }
                "held"
            });
            // The writer continues in another slot.
            push(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["gone", "held"],
    },
    Scenario {
        name: "a slot that is pinned in a run is not reused",
        reserve: 0,
        prepare: |writer| full(writer, 2),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0).word(g.slot(1) + BH_BLOCK),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn({
                let arena = arena.clone();
                move || {
                    let ring = arena.ring();
                    let run = Pin::take(&ring.map, ring.geometry.slot_ranges(0, 2)).unwrap();
                    let Some(held) = ring.hold(1).unwrap() else { return "gone" };
                    // A block stays pinned after the run is released.
                    drop(run);
                    assert_eq!((held.first_seq, held.len() as u64), (0, ROWS));
                    let mut rows = Vec::new();
                    ring.copy_rows(0, 0, 1, &mut rows);
                    assert_whole(&rows[0], 0);
                    "held"
                }
            });
            let pushed = match writer.push(&row(192)) {
                Ok(_) if arena.ring().block_in(0) == Some(1) => "block 2 reused",
                Ok(_) => "block 1 reused",
                Err(_) => "full",
            };
            vec![format!("{}, {pushed}", thread.join().unwrap())]
        },
        outcomes: &["gone, block 1 reused", "held, block 1 reused", "held, block 2 reused", "held, full"],
    },
    Scenario {
        name: "a slot is not reused before the last load under its pin",
        reserve: 0,
        prepare: |writer| full(writer, 1),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let held = arena.ring().hold(1).unwrap().expect("the writer has not started");
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                arena.ring().copy_rows(0, 0, 1, &mut rows);
                assert_whole(&rows[0], 0);
                drop(held);
            });
            let pushed = writer.push(&row(192));
            thread.join().unwrap();
            match pushed {
                Ok(_) => vec!["reused".to_owned()],
                Err(full) => vec![format!("{} pinned", full.pinned)],
            }
        },
        outcomes: &["1 pinned", "reused"],
    },
    Scenario {
        name: "a block that is not archived is not reused",
        reserve: 0,
        prepare: |writer| full(writer, 0),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0).word(g.slot(0) + BH_PERSISTED),
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                assert!(maintenance.rows(1, 0, 1, &mut rows));
                assert_whole(&rows[0], 0);
                maintenance.mark_persisted(1);
            });
            let pushed = writer.push(&row(192)).is_ok();
            thread.join().unwrap();
            vec![(if pushed { "reused" } else { "full" }).to_owned()]
        },
        outcomes: &["full", "reused"],
    },
    Scenario {
        name: "the oldest block is reused while blocks are released one by one",
        reserve: 0,
        prepare: |writer| full(writer, 0),
        shared: |g| {
            let released = |slot| g.slot(slot) + BH_PERSISTED;
            SharedWords::default().word(released(0)).word(released(1))
        },
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let thread = loom::thread::spawn(move || [1, 2].map(|block| maintenance.mark_persisted(block)));
            let pushed = writer.push(&row(192)).is_ok();
            thread.join().unwrap();
            let reused = (1..=2).find(|&block| arena.ring().slot_of(block).is_none());
            assert_eq!(pushed, reused.is_some());
            vec![reused.map_or("full".to_owned(), |block| format!("block {block} reused"))]
        },
        outcomes: &["full", "block 1 reused"],
    },
    Scenario {
        name: "a slot of the reserve is reused whoever locks it, and a copy of it is whole or gone",
        reserve: 2,
        prepare: |writer| full(writer, 2),
        shared: |g| SharedWords::default().slot(g, 1).columns(g, 1, 0),
        run: |arena| {
            let ring = arena.ring();
            // A process that breaks the rules locked every slot while no writer was there.
            let locks = Pin::take(&ring.map, ring.geometry.slot_ranges(0, 3)).unwrap().expect("there is no writer");
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let Some(held) = arena.ring().hold(2).unwrap() else { return "gone" };
                assert_eq!((held.first_seq, held.copied()), (ROWS, Some(CopyReason::Reserve)));
                for column in [OPEN, CLOSE] {
                    let copy = held.copied_bytes(column).first_chunk().expect("a row");
                    assert_eq!(f64::from_le_bytes(*copy), row(ROWS).open, "the copy is torn");
                }
                "copied"
            });
            assert_eq!(writer.push(&row(192)), Err(RingFull { blocks: 3, pinned: 1, unread: 0 }));
            writer.reserve_rows_despite_pins().expect("no lock keeps the writer from the reserve");
            push(&mut writer, 1);
            drop(locks);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["copied", "gone"],
    },
];
