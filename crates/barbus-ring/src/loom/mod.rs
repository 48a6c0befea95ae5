//! The protocol under loom: every interleaving of its threads, and every stale value that their loads may find, up to a bound of preemptions.
//!
//! The code is the ring's own, over [`memory::ModelMemory`]. Each scenario is a ring in a certain state and two or three threads that do one
//! or two steps each; what they may find is written down as a set, of which each member must occur and nothing else. Then the protocol is
//! broken, one place at a time, and some scenario must fail: else the place would not be needed, or not be looked at.
//!
//! `BARBUS_MODEL_PREEMPTIONS` sets the bound (2); the words that are shared are listed by each scenario.

mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use memory::{ModelMemory, Sabotage, Step};

use barbus_shm::Pin;

use crate::layout::*;
use crate::{Geometry, Polled, Ring, RingReader, RingStart, RingWriter, Row, Spec, SymbolId, create};

const ROWS: u64 = 64;

/// What a model's threads found, in words.
type Found = Vec<String>;

/// Words that a scenario's threads share.
#[derive(Default)]
struct Shared {
    words64: Vec<usize>,
    words32: Vec<usize>,
}

impl Shared {
    /// The cursor, and the header and the directory's word of a slot.
    fn slot(mut self, geometry: &Geometry, slot: usize) -> Self {
        let at = geometry.slot(slot);
        self.words64.extend([SB_CURSOR, DIRECTORY + 8 * slot, at + BH_BLOCK, at + BH_FIRST_SEQ, at + BH_STATE]);
        self
    }

    /// A row of the tip: its stamp, its place and two values.
    fn tip(mut self, geometry: &Geometry, seq: u64) -> Self {
        let at = geometry.tip_row(seq);
        self.words64.extend([TIP_STAMP, TIP_POSITION, TIP_OPEN, TIP_CLOSE].map(|word| at + word));
        self
    }

    /// Two columns of a row.
    fn columns(mut self, geometry: &Geometry, slot: usize, row: usize) -> Self {
        let at = geometry.slot(slot);
        self.words64.extend([OPEN, CLOSE].map(|column| at + geometry.columns[column].values + 8 * row));
        self
    }

    fn word(mut self, offset: usize) -> Self {
        self.words64.push(offset);
        self
    }

    fn word32(mut self, offset: usize) -> Self {
        self.words32.push(offset);
        self
    }
}

const OPEN: usize = 2;
const CLOSE: usize = 5;

/// A ring in a certain state, and what threads do to it.
struct Scenario {
    name: &'static str,
    /// Makes the state, with the ring's own writer, before the threads begin.
    prepare: fn(&mut RingWriter),
    shared: fn(&Geometry) -> Shared,
    /// Runs the threads; what was found.
    run: fn(Arena) -> Found,
    /// What may be found: each of these occurs, and nothing else.
    outcomes: &'static [&'static str],
}

/// The memory of one run.
#[derive(Clone)]
struct Arena {
    memory: ModelMemory,
    geometry: Geometry,
}

impl Arena {
    fn ring(&self) -> Ring<ModelMemory> {
        Ring { map: self.memory.clone(), geometry: self.geometry.clone() }
    }

    fn writer(&self) -> RingWriter<ModelMemory> {
        RingWriter::over(self.memory.clone(), Path::new("model")).expect("the image is a ring")
    }
}

fn row(number: u64) -> Row {
    let x = number as f64 + 0.5;
    Row { frame_ms: number as i64, open: x, high: x, low: x, close: x, volume: x, ..Row::default() }
}

/// Rows that are in the tip, and where there are many of them in the columns too.
fn stamp(writer: &mut RingWriter<impl barbus_shm::WriterMemory>, count: u64) {
    for _ in 0..count {
        let number = writer.next_seq();
        writer.push(&row(number)).expect("room in the ring");
    }
}

/// Rows that are in the tip and in the columns.
fn push(writer: &mut RingWriter<impl barbus_shm::WriterMemory>, count: u64) {
    stamp(writer, count);
    writer.write_back();
}

/// A copied row is row `number`: of its values the two that are shared words.
#[track_caller]
fn whole(found: &Row, number: u64) {
    let wanted = row(number);
    assert_eq!((found.open, found.close), (wanted.open, wanted.close), "row {number} is torn");
}

/// What `polls` polls give, in words.
fn poll(ring: &Ring<ModelMemory>, reader: &mut RingReader, polls: usize) -> String {
    let mut said = Vec::new();
    for _ in 0..polls {
        let mut rows = Vec::new();
        match reader.poll(ring, &mut rows, 1) {
            Polled::Rows(_) => {
                let number = reader.position().seq - 1;
                whole(&rows[0], number);
                said.push(number.to_string());
            }
            Polled::DayClosed(day) => said.push(format!("day {day}")),
            Polled::Lapped { missed } => said.push(format!("{missed} missed")),
            Polled::Empty => {}
            Polled::Corrupt => panic!("called corrupt"),
        }
    }
    said.join(" ")
}

/// Three full blocks of a day; the first `persisted` of them are archived.
fn full(writer: &mut RingWriter, persisted: u64) {
    writer.begin_day(1);
    push(writer, 3 * ROWS);
    (1..=persisted).for_each(|block| writer.maintenance().mark_persisted(block));
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a reader at the tip sees whole rows, in order",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().tip(g, 2).tip(g, 3).word(SB_CURSOR),
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
        name: "a row of the tip that is written over is gone",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS);
        },
        shared: |g| Shared::default().tip(g, 0).word(SB_TIP_CLAIMED),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let mut row = Row::default();
                match arena.ring().tip(0, &mut row) {
                    crate::tip::Tip::Row(position) => {
                        whole(&row, 0);
                        assert_eq!(position, 1 << 32);
                        "there"
                    }
                    crate::tip::Tip::Gone => "gone",
                    crate::tip::Tip::NotYet => "not yet",
                }
            });
            stamp(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["gone", "there"],
    },
    Scenario {
        name: "a block that is used again while it is copied is lapped",
        prepare: |writer| full(writer, 1),
        shared: |g| Shared::default().slot(g, 0).columns(g, 0, 0),
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
        name: "the symbols of a block that is used again meanwhile are not given out",
        prepare: |writer| full(writer, 1),
        shared: |g| {
            let first_frame = g.slot(0) + g.columns[crate::columns::FRAME].values;
            Shared::default().slot(g, 0).word(first_frame)
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
        name: "a row that was seen is found, in the tip or in the columns",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().tip(g, 2).word(SB_CURSOR).columns(g, 0, 2),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let seen = poll(&ring, &mut reader, 1);
                if !seen.is_empty() {
                    let place = crate::RowLocation { seq: 2, block: 1, slot: 0, row: 2 };
                    whole(&ring.row(place).expect("it was seen"), 2);
                }
                seen
            });
            push(&mut writer, 1);
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "2"],
    },
    Scenario {
        name: "a header is read whole",
        prepare: |writer| full(writer, 1),
        shared: |g| Shared::default().slot(g, 0),
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
        name: "a reader that begins at the end begins there",
        prepare: |writer| full(writer, 1),
        shared: |g| Shared::default().slot(g, 0).tip(g, 192),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let reader = RingReader::try_new(&arena.ring(), RingStart::Live);
                reader.map_or("look again".to_owned(), |reader| {
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
        name: "a day's close comes behind its last row",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().tip(g, 2).slot(g, 0).columns(g, 0, 2),
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
        name: "the columns have what the cursor counts",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().word(SB_CURSOR).columns(g, 0, 2),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let row = (ring.committed(0, 1) > 2).then(|| ring.copy_row(0, 2));
                row.iter().for_each(|row| whole(row, 2));
                row.map_or("not yet", |_| "there")
            });
            push(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["not yet", "there"],
    },
    Scenario {
        name: "who sees a later row of a run finds the columns of the run before",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS / 2 - 1);
        },
        shared: |g| Shared::default().tip(g, ROWS / 2).word(SB_CURSOR).columns(g, 0, 31),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                if !ring.tip_has(ROWS / 2) {
                    return "not yet".to_owned();
                }
                let mut rows = Vec::new();
                reader.step(&ring, &mut rows, 1);
                rows.iter().for_each(|row| whole(row, ROWS / 2 - 1));
                format!("{} rows", rows.len())
            });
            stamp(&mut writer, 2);
            vec![thread.join().unwrap()]
        },
        outcomes: &["1 rows", "not yet"],
    },
    Scenario {
        name: "a sealed block's rows are all of them",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS - 1);
        },
        shared: |g| Shared::default().slot(g, 0).columns(g, 0, 63).word(DIRECTORY + 8).word(g.slot(1) + BH_BLOCK),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let mut rows = Vec::new();
                let (newest, _) = ring.cursor();
                if newest == 2 {
                    // Block 1 was sealed before.
                    ring.copy_rows(0, 63, ring.committed(0, 1), &mut rows);
                    assert_eq!(rows.len(), 1);
                    whole(&rows[0], 63);
                }
                format!("block {newest}")
            });
            push(&mut writer, 2);
            vec![thread.join().unwrap()]
        },
        outcomes: &["block 1", "block 2"],
    },
    Scenario {
        name: "a reader goes on from one block to the next",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS - 1);
        },
        shared: |g| Shared::default().tip(g, 63).slot(g, 0).word(DIRECTORY + 8).word(g.slot(1) + BH_BLOCK).tip(g, 64),
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
        name: "a close that comes to a full block is seen before the next block's rows",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS);
            writer.seal_block();
        },
        shared: |g| {
            let tip = g.tip_row(64);
            let shared = Shared::default().word(SB_CURSOR).word(g.slot(0) + BH_STATE).word(DIRECTORY + 8);
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
        name: "a header that gets a day's close while its checksum is computed has the right one",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, ROWS);
            writer.seal_block();
        },
        shared: |g| Shared::default().word(g.slot(0) + BH_STATE).word(g.slot(0) + BH_HEADER_CRC),
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let ring = arena.ring();
            let thread = loom::thread::spawn(move || maintenance.seal_checksum(1));
            assert!(writer.close_day());
            thread.join().unwrap();
            let found = ring.u64(ring.geometry.slot(0) + BH_HEADER_CRC);
            vec![if found == CRC_VALID | u64::from(ring.header_crc(0)) { "fits" } else { "does not fit" }.to_owned()]
        },
        outcomes: &["fits"],
    },
    Scenario {
        name: "who finds the slot of a day's first block does not find the seal of the block before",
        prepare: |writer| {
            full(writer, 1);
            writer.close_day();
        },
        shared: |g| Shared::default().word(DIRECTORY).word(g.slot(0) + BH_BLOCK).word(g.slot(0) + BH_STATE),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let Some(slot) = ring.slot_of(4) else { return "not yet" };
                assert_eq!(ring.u64(ring.geometry.slot(slot) + BH_STATE), 0, "of block 1");
                "there"
            });
            writer.begin_day(2);
            push(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["not yet", "there"],
    },
    Scenario {
        name: "nobody sleeps on a count that is newer than what he looked at",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().tip(g, 2).word32(SB_COMMITS),
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
            // The kernel lets nobody sleep whose count is not the newest.
            assert!(!found.is_empty() || seen != ring.commits(), "a reader sleeps over a row");
            vec![found]
        },
        outcomes: &["", "2"],
    },
    Scenario {
        name: "a symbol that is counted can be read",
        prepare: |writer| {
            writer.intern("A").unwrap();
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().word32(SB_SYMBOL_COUNT).word32(g.dictionary_offsets + 8),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                match ring.symbol_count() {
                    2 => ring.symbol(SymbolId(1)).expect("a symbol that is counted"),
                    _ => "unknown".to_owned(),
                }
            });
            writer.intern("BC").unwrap();
            vec![thread.join().unwrap()]
        },
        outcomes: &["BC", "unknown"],
    },
    Scenario {
        name: "a row's symbol is there when the row is",
        prepare: |writer| {
            writer.intern("A").unwrap();
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().tip(g, 2).word32(SB_SYMBOL_COUNT),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                reader.poll(&arena.ring(), &mut rows, 1);
                rows.first().map(|row| arena.ring().symbol(row.symbol).expect("the row's symbol")).unwrap_or_default()
            });
            let symbol = writer.intern("BC").unwrap();
            writer.push(&Row { symbol, ..row(2) }).unwrap();
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "BC"],
    },
    Scenario {
        name: "what is pinned is not used again",
        prepare: |writer| full(writer, 2),
        shared: |g| Shared::default().slot(g, 0).columns(g, 0, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let Some(pinned) = ring.pin(1).unwrap() else { return "gone" };
                assert_eq!((pinned.first_seq, pinned.len() as u64), (0, ROWS));
                for _ in 0..2 {
                    let mut rows = Vec::new();
                    ring.copy_rows(0, 0, 1, &mut rows);
                    whole(&rows[0], 0);
                }
                "held"
            });
            // Whatever is pinned, the writer goes on.
            push(&mut writer, 1);
            vec![thread.join().unwrap().to_owned()]
        },
        outcomes: &["gone", "held"],
    },
    Scenario {
        name: "what is pinned in a run is not used again",
        prepare: |writer| full(writer, 2),
        shared: |g| Shared::default().slot(g, 0).columns(g, 0, 0).word(g.slot(1) + BH_BLOCK),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn({
                let arena = arena.clone();
                move || {
                    let ring = arena.ring();
                    let run = Pin::take(&ring.map, ring.geometry.slots_from(0, 2)).unwrap();
                    let Some(pinned) = ring.pin(1).unwrap() else { return "gone" };
                    // What was pinned is held without the run.
                    drop(run);
                    assert_eq!((pinned.first_seq, pinned.len() as u64), (0, ROWS));
                    let mut rows = Vec::new();
                    ring.copy_rows(0, 0, 1, &mut rows);
                    whole(&rows[0], 0);
                    "held"
                }
            });
            let pushed = match writer.push(&row(192)) {
                Ok(_) if arena.ring().block_in(0) == Some(1) => "block 2 used again",
                Ok(_) => "block 1 used again",
                Err(_) => "full",
            };
            vec![format!("{}, {pushed}", thread.join().unwrap())]
        },
        outcomes: &["gone, block 1 used again", "held, block 1 used again", "held, block 2 used again", "held, full"],
    },
    Scenario {
        name: "a pin is let go after the last look",
        prepare: |writer| full(writer, 1),
        shared: |g| Shared::default().slot(g, 0).columns(g, 0, 0),
        run: |arena| {
            let mut writer = arena.writer();
            let pinned = arena.ring().pin(1).unwrap().expect("nobody writes yet");
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                arena.ring().copy_rows(0, 0, 1, &mut rows);
                whole(&rows[0], 0);
                drop(pinned);
            });
            let pushed = writer.push(&row(192));
            thread.join().unwrap();
            match pushed {
                Ok(_) => vec!["used again".to_owned()],
                Err(full) => vec![format!("{} pinned", full.pinned)],
            }
        },
        outcomes: &["1 pinned", "used again"],
    },
    Scenario {
        name: "what is not archived is not used again",
        prepare: |writer| full(writer, 0),
        shared: |g| Shared::default().slot(g, 0).columns(g, 0, 0).word(g.slot(0) + BH_PERSISTED),
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                assert!(maintenance.rows(1, 0, 1, &mut rows));
                whole(&rows[0], 0);
                maintenance.mark_persisted(1);
            });
            let pushed = writer.push(&row(192)).is_ok();
            thread.join().unwrap();
            vec![(if pushed { "used again" } else { "full" }).to_owned()]
        },
        outcomes: &["full", "used again"],
    },
    Scenario {
        name: "who sees that a ring is superseded finds its last row",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().tip(g, 2).word(SB_SUPERSEDED),
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
            writer.supersede(true);
            vec![thread.join().unwrap()]
        },
        outcomes: &["2", "not yet"],
    },
    Scenario {
        name: "a stock reader finds the rows that the Arrow lengths count",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
            writer.write_back();
        },
        shared: |g| Shared::default().columns(g, 0, 2).word(g.slot(0) + crate::arrow_messages::slot_message(g).length),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let length =
                    ring.u64(ring.geometry.slot(0) + crate::arrow_messages::slot_message(&ring.geometry).length);
                // What an acquire load would be.
                loom::sync::atomic::fence(loom::sync::atomic::Ordering::Acquire);
                let mut rows = Vec::new();
                ring.copy_rows(0, 0, length as u32, &mut rows);
                (0..).zip(&rows).for_each(|(number, row)| whole(row, number));
                length.to_string()
            });
            push(&mut writer, 1);
            writer.write_back();
            vec![thread.join().unwrap()]
        },
        outcomes: &["2", "3"],
    },
    Scenario {
        name: "a stock reader finds the symbols that the Arrow lengths count",
        prepare: |writer| {
            writer.intern("A").unwrap();
        },
        shared: |g| {
            let length = g.dictionary + crate::arrow_messages::dictionary_message(g).length;
            Shared::default().word(length).word32(g.dictionary_offsets + 8)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let geometry = &ring.geometry;
                let length = ring.u64(geometry.dictionary + crate::arrow_messages::dictionary_message(geometry).length);
                // What an acquire load would be.
                loom::sync::atomic::fence(loom::sync::atomic::Ordering::Acquire);
                let end = ring.u32(geometry.dictionary_offsets + 8);
                assert!(length < 2 || end == 3, "a symbol that is counted has no end");
                length.to_string()
            });
            writer.intern("BC").unwrap();
            vec![thread.join().unwrap()]
        },
        outcomes: &["1", "2"],
    },
    Scenario {
        name: "who sees a block's seal finds its rows",
        prepare: |writer| {
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| Shared::default().word(SB_CURSOR).word(g.slot(0) + BH_STATE).columns(g, 0, 2),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                // Not from the tip, where the row is as well.
                reader.step(&arena.ring(), &mut rows, 1);
                rows.iter().for_each(|row| whole(row, 2));
                format!("{} rows", rows.len())
            });
            push(&mut writer, 1);
            writer.write_back();
            writer.seal_block();
            vec![thread.join().unwrap()]
        },
        outcomes: &["0 rows", "1 rows"],
    },
    Scenario {
        name: "a cursor that is synced has its rows' symbols synced",
        prepare: |writer| {
            writer.intern("A").unwrap();
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |_| Shared::default().word(SB_CURSOR).word32(SB_SYMBOL_COUNT),
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
        name: "the block of a cursor that is on its way to the disk stays",
        prepare: |writer| full(writer, 1),
        shared: |g| {
            let durable = [SB_DURABLE_NEXT, SB_DURABLE_CURSOR, SB_DURABLE_BEFORE];
            let shared = durable.into_iter().fold(Shared::default(), Shared::word);
            shared.word(g.slot(2) + BH_BLOCK).word(SB_CURSOR)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let ring = arena.ring();
            // A sync has been announced for block 3. The cursor goes on to block 4, and block 3 is archived: it would do for block 5.
            let announced = maintenance.announce_sync();
            assert_eq!(announced >> 32, 3);
            push(&mut writer, 1);
            maintenance.mark_persisted(3);
            writer.seal_block();
            let thread = loom::thread::spawn(move || {
                let to_disk = || {
                    // Whichever of these is on the disk by now, its block is in the ring.
                    for cursor in [SB_DURABLE_CURSOR, SB_DURABLE_BEFORE] {
                        let there = ring.u64(cursor) >> 32 != 3 || ring.block_in(2) == Some(3);
                        assert!(there, "the block of a durable cursor was used again");
                    }
                    Ok(())
                };
                // The disk refuses the second half of this sync: either cursor may be there.
                let mut halves = 0;
                let refused = maintenance.sync_announced(announced, || {
                    halves += 1;
                    let refusal = || crate::RingError::Spec { what: "refused".into() };
                    if halves == 2 { Err(refusal()) } else { to_disk() }
                });
                assert!(refused.is_err());
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
        name: "the block of a cursor is named before the writer goes on from it, or seen to be old",
        prepare: |writer| full(writer, 1),
        shared: |g| Shared::default().word(SB_DURABLE_NEXT).word(SB_CURSOR).word(g.slot(2) + BH_BLOCK),
        run: |arena| {
            let mut writer = arena.writer();
            let maintenance = writer.maintenance();
            let ring = arena.ring();
            let thread = loom::thread::spawn(move || {
                let cursor = maintenance.announce_sync();
                let there = cursor >> 32 != 3 || ring.block_in(2) == Some(3);
                assert!(there, "the block of a cursor that will be durable was used again");
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

/// The ring of a scenario before its threads begin.
fn image(scenario: &Scenario) -> (Vec<u8>, Geometry) {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("bars.ring");
    let spec = Spec {
        blocks: 3,
        rows_per_block: ROWS as u32,
        tip_rows: 64,
        symbols: 4,
        symbol_bytes: 64,
        optional: Vec::new(),
        ..Spec::default()
    };
    create(&path, &spec).unwrap();
    let mut writer = RingWriter::open(&path).unwrap();
    (scenario.prepare)(&mut writer);
    let geometry = writer.ring().geometry().clone();
    drop(writer);
    (std::fs::read(&path).unwrap(), geometry)
}

fn preemptions() -> usize {
    std::env::var("BARBUS_MODEL_PREEMPTIONS").map_or(2, |text| text.parse().expect("a number"))
}

/// Every interleaving of one scenario: what was found, and in how many.
fn explore(scenario: &'static Scenario) -> (BTreeSet<String>, usize) {
    let (image, geometry) = image(scenario);
    let shared = (scenario.shared)(&geometry);
    let found = Arc::new(Mutex::new((BTreeSet::new(), 0)));
    let theirs = Arc::clone(&found);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions());
    builder.max_branches = 100_000;
    builder.check(move || {
        let memory = ModelMemory::new(&image, &geometry, &shared.words64, &shared.words32);
        let outcome = (scenario.run)(Arena { memory, geometry: geometry.clone() });
        let mut found = theirs.lock().unwrap();
        found.0.extend(outcome);
        found.1 += 1;
    });
    Arc::try_unwrap(found).expect("the model is over").into_inner().unwrap()
}

/// Promises 2 and 3: under every interleaving each scenario finds what it may find, and all of it.
#[test]
fn the_protocol_holds() {
    for scenario in SCENARIOS {
        let ((outcomes, interleavings), ..) = memory::with(None, || explore(scenario));
        println!("{interleavings:>8} interleavings: {}", scenario.name);
        let expected = scenario.outcomes.iter().map(|&outcome| outcome.to_owned()).collect();
        assert_eq!(outcomes, expected, "{}", scenario.name);
    }
}

/// Steps of which the first must not be done after the second, and why.
const ORDERS: &[(Step, Step, &str)] = &[
    (Step::Claim, Step::TipWord, "a row of the tip is claimed before it is written over"),
    (Step::TipWord, Step::Stamp, "the stamp is the commit of a row in the tip"),
    (Step::Column, Step::Cursor, "the cursor is the commit of a row in the columns"),
    (Step::Column, Step::Length, "Arrow's lengths count rows that are there"),
    (Step::State, Step::Number, "a block is sealed before the next one is there"),
    (Step::Number, Step::Column, "a slot is marked before it is written"),
    (Step::Number, Step::Unclaim, "a slot is marked before the claim is given back"),
    (Step::FirstSeq, Step::Number, "a header has its number last"),
    (Step::Stamp, Step::Superseded, "a ring is superseded behind its last row"),
    (Step::DurableBefore, Step::Durable, "the cursor that may be on the disk still is kept before another one comes"),
];

/// One scenario with the protocol broken, in a process of its own, which ends as it pleases. `BARBUS_MODEL_BROKEN` says what.
#[test]
fn broken() {
    let Ok(text) = std::env::var("BARBUS_MODEL_BROKEN") else { return };
    let (scenario, sabotage) = text.split_once('/').expect("scenario/sabotage");
    let scenario = &SCENARIOS[scenario.parse::<usize>().expect("a number")];
    let sabotage = find(sabotage);
    let ((outcomes, _), ..) = memory::with(Some(sabotage), || explore(scenario));
    let expected = scenario.outcomes.iter().map(|&outcome| outcome.to_owned()).collect();
    assert_eq!(outcomes, expected, "{}", scenario.name);
    println!("{NOT_NOTICED}");
}

const NOT_NOTICED: &str = "nothing failed";

/// The sabotage that `name` says.
fn find(name: &str) -> Sabotage {
    if let Some((file, line)) = name.split_once(':') {
        return Sabotage::Weaken((file.to_owned().leak(), line.parse().expect("a line")));
    }
    let order = ORDERS.iter().find(|(first, second, _)| format!("{first:?}-{second:?}") == name);
    order.map(|&(first, second, _)| Sabotage::Delay(first, second)).expect("a known order")
}

/// Whether scenario `index` fails with the protocol broken.
fn notices(index: usize, sabotage: &str) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "loom::broken", "--nocapture"])
        .env("BARBUS_MODEL_BROKEN", format!("{index}/{sabotage}"))
        .env("BARBUS_MODEL_PREEMPTIONS", "2")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let noticed = !String::from_utf8_lossy(&output.stdout).contains(NOT_NOTICED);
    assert_eq!(noticed, !output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    noticed
}

/// Whether the comment at a place says that loom cannot show it (loom does the loads of a thread in their order, so nothing ever fails for a load
/// that another thread's later store overtakes), or that no scenario does, and why it stays.
fn beyond(place: &str) -> bool {
    let Some((file, line)) = place.split_once(':') else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = std::fs::read_to_string(path).expect("the source of this crate");
    let line: usize = line.parse().expect("a line");
    text.lines()
        .take(line)
        .skip(line.saturating_sub(4))
        .any(|line| line.contains("loom cannot show") || line.contains("no scenario fails"))
}

/// Promise 3: no fence, no release store and no order of two steps is there without need: without it a scenario fails, which is named.
#[test]
fn every_fence_and_every_order_is_needed() {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut steps: Vec<BTreeSet<Step>> = Vec::new();
    let mut interleavings = Vec::new();
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        let ((_, count), sites, found) = memory::with(None, || explore(scenario));
        interleavings.push(count);
        for (file, line) in sites {
            places.entry(format!("{file}:{line}")).or_default().push(index);
        }
        steps.push(found);
    }
    for (first, second, _) in ORDERS {
        let having = (0..steps.len()).filter(|&index| steps[index].contains(first) && steps[index].contains(second));
        places.insert(format!("{first:?}-{second:?}"), having.collect());
    }
    let mut unnoticed = Vec::new();
    for (place, scenarios) in &mut places {
        // The quickest first.
        scenarios.sort_by_key(|&index| interleavings[index]);
        match scenarios.iter().find(|&&index| notices(index, place)) {
            Some(&index) => println!("without {place}: {}", SCENARIOS[index].name),
            None if beyond(place) => println!("without {place}: beyond the model"),
            None => unnoticed.push(place.clone()),
        }
    }
    assert!(unnoticed.is_empty(), "nothing fails without {unnoticed:#?}");
}
