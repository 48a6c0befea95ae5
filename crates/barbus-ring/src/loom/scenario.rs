//! A scenario: a ring in a certain state, threads that work on it, and the outcomes that may be
//! found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::memory::ModelMemory;
use crate::layout::*;
use crate::{Geometry, Polled, Ring, RingReader, RingWriter, Row, Spec, create};

/// Rows of a block.
pub(super) const ROWS: u64 = 64;

// Numbers of two columns in the schema.
pub(super) const OPEN: usize = 2;
pub(super) const CLOSE: usize = 5;

/// A ring in a certain state, and what threads do to it.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// How many of the three slots are the reserve.
    pub(super) reserve: u32,
    /// Makes the state with the ring's own writer, before the threads start.
    pub(super) prepare: fn(&mut RingWriter),
    /// The words that the threads share.
    pub(super) shared: fn(&Geometry) -> SharedWords,
    /// Runs the threads and returns what they found.
    pub(super) run: fn(Arena) -> Vec<String>,
    /// The allowed outcomes. Each of them must occur in some interleaving.
    pub(super) outcomes: &'static [&'static str],
}

/// The words that a scenario's threads share, by offset. loom explores the loads and stores of
/// these; all other words stay as they are, or belong to one thread.
#[derive(Default)]
pub(super) struct SharedWords {
    words64: Vec<usize>,
    words32: Vec<usize>,
}

impl SharedWords {
    /// The cursor, and the header and the directory word of a slot.
    pub(super) fn slot(mut self, geometry: &Geometry, slot: usize) -> Self {
        let at = geometry.slot(slot);
        self.words64.extend([SB_CURSOR, DIRECTORY + 8 * slot, at + BH_BLOCK, at + BH_FIRST_SEQ, at + BH_STATE]);
        self
    }

    /// The stamp, the position and two values of a row in the tip.
    pub(super) fn tip(mut self, geometry: &Geometry, seq: u64) -> Self {
        let at = geometry.tip_slot(seq);
        self.words64.extend([TIP_STAMP, TIP_POSITION, TIP_OPEN, TIP_CLOSE].map(|word| at + word));
        self
    }

    /// Two values of a row in the columns.
    pub(super) fn columns(mut self, geometry: &Geometry, slot: usize, row: usize) -> Self {
        let at = geometry.slot(slot);
        self.words64.extend([OPEN, CLOSE].map(|column| at + geometry.columns[column].values + 8 * row));
        self
    }

    pub(super) fn word(mut self, offset: usize) -> Self {
        self.words64.push(offset);
        self
    }

    pub(super) fn word32(mut self, offset: usize) -> Self {
        self.words32.push(offset);
        self
    }
}

/// The memory of one run.
#[derive(Clone)]
pub(super) struct Arena {
    memory: ModelMemory,
    geometry: Geometry,
}

impl Arena {
    pub(super) fn ring(&self) -> Ring<ModelMemory> {
        Ring { map: self.memory.clone(), geometry: self.geometry.clone() }
    }

    pub(super) fn writer(&self) -> RingWriter<ModelMemory> {
        RingWriter::from_map(self.memory.clone(), Path::new("model")).expect("the image is a ring")
    }
}

/// A row whose values follow from its number.
pub(super) fn row(number: u64) -> Row {
    let x = number as f64 + 0.5;
    Row { frame_ms: number as i64, open: x, high: x, low: x, close: x, volume: x, ..Row::default() }
}

/// Publishes rows in the tip; full groups of them are in the columns as well.
pub(super) fn stamp(writer: &mut RingWriter<impl barbus_shm::WriterMemory>, count: u64) {
    for _ in 0..count {
        let number = writer.next_seq();
        writer.push(&row(number)).expect("the ring is not full");
    }
}

/// Publishes rows in the tip and in the columns.
pub(super) fn push(writer: &mut RingWriter<impl barbus_shm::WriterMemory>, count: u64) {
    stamp(writer, count);
    writer.write_back();
}

/// Three full blocks of one day, of which the first `persisted` are archived.
pub(super) fn full(writer: &mut RingWriter, persisted: u64) {
    writer.begin_day(1);
    push(writer, 3 * ROWS);
    (1..=persisted).for_each(|block| writer.maintenance().mark_persisted(block));
}

/// Asserts that a copied row has the two values of row `number` that are shared words.
#[track_caller]
pub(super) fn assert_whole(found: &Row, number: u64) {
    let wanted = row(number);
    assert_eq!((found.open, found.close), (wanted.open, wanted.close), "row {number} is torn");
}

/// Polls `polls` times and returns the findings as text.
pub(super) fn poll(ring: &Ring<ModelMemory>, reader: &mut RingReader, polls: usize) -> String {
    let mut found = Vec::new();
    for _ in 0..polls {
        let mut rows = Vec::new();
        match reader.poll(ring, &mut rows, 1) {
            Polled::Rows(_) => {
                let number = reader.position().seq - 1;
                assert_whole(&rows[0], number);
                found.push(number.to_string());
            }
            Polled::DayClosed(day) => found.push(format!("day {day}")),
            Polled::Lapped { missed } => found.push(format!("{missed} missed")),
            Polled::Empty => {}
            Polled::Corrupt => panic!("the ring is reported as corrupt"),
        }
    }
    found.join(" ")
}

/// The bytes of a scenario's ring before its threads start.
fn image(scenario: &Scenario) -> (Vec<u8>, Geometry) {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("bars.ring");
    let spec = Spec {
        blocks: 3,
        reserve: scenario.reserve,
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

/// Runs every interleaving of a scenario; returns the outcomes, and the number of interleavings.
pub(super) fn explore(scenario: &'static Scenario) -> (BTreeSet<String>, usize) {
    let (image, geometry) = image(scenario);
    let shared = (scenario.shared)(&geometry);
    let found = Arc::new(Mutex::new((BTreeSet::new(), 0)));
    let model_found = Arc::clone(&found);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions());
    builder.max_branches = 100_000;
    builder.check(move || {
        let memory = ModelMemory::new(&image, &geometry, &shared.words64, &shared.words32);
        let outcome = (scenario.run)(Arena { memory, geometry: geometry.clone() });
        let mut found = model_found.lock().unwrap();
        found.0.extend(outcome);
        found.1 += 1;
    });
    Arc::try_unwrap(found).expect("the model has ended").into_inner().unwrap()
}
