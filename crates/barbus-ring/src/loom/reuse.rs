//! Scenarios of slots that must not be reused: pinned ones and those that are not archived.

use barbus_shm::Pin;

use super::scenario::{ROWS, Scenario, SharedWords, assert_whole, full, push, row};
use crate::layout::*;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a pinned slot is not reused",
        prepare: |writer| full(writer, 2),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let Some(pinned) = ring.pin(1).unwrap() else { return "gone" };
                assert_eq!((pinned.first_seq, pinned.len() as u64), (0, ROWS));
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
        prepare: |writer| full(writer, 2),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0).word(g.slot(1) + BH_BLOCK),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn({
                let arena = arena.clone();
                move || {
                    let ring = arena.ring();
                    let run = Pin::take(&ring.map, ring.geometry.slot_ranges(0, 2)).unwrap();
                    let Some(pinned) = ring.pin(1).unwrap() else { return "gone" };
                    // A block stays pinned after the run is released.
                    drop(run);
                    assert_eq!((pinned.first_seq, pinned.len() as u64), (0, ROWS));
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
        prepare: |writer| full(writer, 1),
        shared: |g| SharedWords::default().slot(g, 0).columns(g, 0, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let pinned = arena.ring().pin(1).unwrap().expect("the writer has not started");
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                arena.ring().copy_rows(0, 0, 1, &mut rows);
                assert_whole(&rows[0], 0);
                drop(pinned);
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
];
