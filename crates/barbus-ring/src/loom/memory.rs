//! Memory as loom has it: the words that threads share are loom's atomics, the others lie still or belong to one thread at a time.
//!
//! What is to be shown necessary can be left out or moved: a fence or a release store at one place of the protocol ([`Sabotage::Weaken`]), or
//! the order of two steps ([`Sabotage::Delay`]).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use barbus_shm::{ByteRanges, Load, Memory, ReaderMemory, ShmError, Store, WriterMemory};
use loom::sync::atomic::{Ordering, fence};
use loom::sync::{Mutex, MutexGuard};

use crate::Geometry;
use crate::layout::*;

/// A place in the code.
pub(super) type Site = (&'static str, u32);

/// What a word is for, or a step that is no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Cursor,
    Number,
    FirstSeq,
    State,
    Persisted,
    Directory,
    Stamp,
    Claim,
    TipWord,
    Column,
    Length,
    Superseded,
    DurableNext,
    Durable,
    DurableBefore,
    Unclaim,
    Other,
}

/// How the protocol is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sabotage {
    /// The fence at this place is left out, or the release store there is relaxed.
    Weaken(Site),
    /// Stores of the first kind are done only after the next one of the second.
    Delay(Step, Step),
}

#[derive(Default)]
struct Context {
    sabotage: Option<Sabotage>,
    sites: BTreeSet<Site>,
    steps: BTreeSet<Step>,
    swapped: bool,
    /// Stores that wait for another: the word's address and its value.
    delayed: Vec<(*const Word64, u64)>,
}

thread_local! {
    // loom runs the threads of a model as coroutines of one thread.
    static CONTEXT: RefCell<Context> = RefCell::default();
}

/// Runs `model` with the protocol broken by `sabotage`; the places and steps that it came by.
pub(super) fn with<T>(sabotage: Option<Sabotage>, model: impl FnOnce() -> T) -> (T, BTreeSet<Site>, BTreeSet<Step>) {
    CONTEXT.with_borrow_mut(|context| *context = Context { sabotage, ..Context::default() });
    let result = model();
    let context = CONTEXT.take();
    (result, context.sites, context.steps)
}

/// Whether what stands at `site` is to be done.
fn holds(site: &'static Location<'static>) -> bool {
    let site = (site.file(), site.line());
    CONTEXT.with_borrow_mut(|context| {
        context.sites.insert(site);
        context.sabotage != Some(Sabotage::Weaken(site))
    })
}

pub(super) struct Word64 {
    plain: std::sync::atomic::AtomicU64,
    shared: Option<Box<loom::sync::atomic::AtomicU64>>,
    step: Step,
}

pub(super) struct Word32 {
    plain: std::sync::atomic::AtomicU32,
    shared: Option<Box<loom::sync::atomic::AtomicU32>>,
}

pub(super) struct Word8(AtomicU8);

impl Word64 {
    fn store(&self, value: u64, order: Ordering) {
        match &self.shared {
            Some(word) => word.store(value, order),
            None => self.plain.store(value, Relaxed),
        }
    }

    /// Stores, or waits with it, or does what has waited for it.
    fn put(&self, value: u64, order: Ordering) {
        let step = self.step;
        if self.shared.is_none() {
            return self.store(value, order);
        }
        let delays = CONTEXT.with_borrow(|context| {
            let delays = matches!(context.sabotage, Some(Sabotage::Delay(first, _)) if first == step);
            delays && !context.swapped
        });
        // A store that changes nothing may be done whenever.
        let waits = delays && self.get() != value;
        CONTEXT.with_borrow_mut(|context| {
            context.steps.insert(step);
            if waits {
                context.delayed.push((self, value));
            }
        });
        if !waits {
            self.store(value, order);
            done(step);
        }
    }
}

/// The step was done: what waited for it follows.
fn done(step: Step) {
    let due = CONTEXT.with_borrow_mut(|context| {
        context.steps.insert(step);
        match context.sabotage {
            Some(Sabotage::Delay(_, second)) if second == step && !context.delayed.is_empty() => {
                // Two steps have changed places; what comes later is in order.
                context.swapped = true;
                std::mem::take(&mut context.delayed)
            }
            _ => Vec::new(),
        }
    });
    let words = MEMORY.with_borrow(Weak::upgrade);
    for (word, value) in due {
        let words = words.as_ref().expect("a model's memory");
        let word = words.words64.iter().find(|&known| std::ptr::eq(known, word)).expect("a word of the model");
        word.store(value, Ordering::Relaxed);
    }
}

thread_local! {
    static MEMORY: RefCell<Weak<Words>> = const { RefCell::new(Weak::new()) };
}

impl Load for Word64 {
    type Value = u64;
    fn get(&self) -> u64 {
        match &self.shared {
            Some(word) => word.load(Ordering::Relaxed),
            None => self.plain.load(Relaxed),
        }
    }
}

impl Store for Word64 {
    fn set(&self, value: u64) {
        self.put(value, Ordering::Relaxed);
    }
    #[track_caller]
    fn set_release(&self, value: u64) {
        // Where nothing is shared the order is of no consequence to this model.
        let release = self.shared.is_none() || holds(Location::caller());
        self.put(value, if release { Ordering::Release } else { Ordering::Relaxed });
    }
}

impl Load for Word32 {
    type Value = u32;
    fn get(&self) -> u32 {
        match &self.shared {
            Some(word) => word.load(Ordering::Relaxed),
            None => self.plain.load(Relaxed),
        }
    }
}

impl Store for Word32 {
    fn set(&self, value: u32) {
        match &self.shared {
            Some(word) => word.store(value, Ordering::Relaxed),
            None => self.plain.store(value, Relaxed),
        }
    }
    #[track_caller]
    fn set_release(&self, value: u32) {
        match &self.shared {
            Some(word) if holds(Location::caller()) => word.store(value, Ordering::Release),
            _ => self.set(value),
        }
    }
}

impl Load for Word8 {
    type Value = u8;
    fn get(&self) -> u8 {
        self.0.load(Relaxed)
    }
}

impl Store for Word8 {
    fn set(&self, value: u8) {
        self.0.store(value, Relaxed);
    }
    fn set_release(&self, value: u8) {
        self.set(value);
    }
}

pub(super) struct Words {
    words64: Vec<Word64>,
    words32: Vec<Word32>,
    words8: Vec<Word8>,
    /// For each byte that can be locked: the number of pins, or -1 for the claim.
    locks: BTreeMap<usize, Mutex<i32>>,
}

/// A ring's memory, shared by the threads of a model.
#[derive(Clone)]
pub(super) struct ModelMemory(Arc<Words>);

impl std::fmt::Debug for ModelMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ModelMemory")
    }
}

fn step_of(geometry: &Geometry, offset: usize) -> Step {
    match offset {
        SB_CURSOR => return Step::Cursor,
        SB_SUPERSEDED => return Step::Superseded,
        SB_TIP_CLAIMED => return Step::Claim,
        SB_DURABLE_NEXT => return Step::DurableNext,
        SB_DURABLE_CURSOR => return Step::Durable,
        SB_DURABLE_BEFORE => return Step::DurableBefore,
        _ => {}
    }
    if (DIRECTORY..DIRECTORY + 8 * geometry.slots as usize).contains(&offset) {
        return Step::Directory;
    }
    if offset >= geometry.tip {
        return if (offset - geometry.tip).is_multiple_of(TIP_ROW) { Step::Stamp } else { Step::TipWord };
    }
    if offset >= geometry.slots_offset {
        return match (offset - geometry.slots_offset) % geometry.slot_bytes {
            BH_BLOCK => Step::Number,
            BH_FIRST_SEQ => Step::FirstSeq,
            BH_STATE => Step::State,
            BH_PERSISTED => Step::Persisted,
            at if at >= SLOT_BODY => Step::Column,
            at if at < BLOCK_HEADER => Step::Length,
            _ => Step::Other,
        };
    }
    Step::Other
}

impl ModelMemory {
    /// The bytes of a ring file, of which the 64-bit words at `shared64` and the 32-bit words at `shared32` are shared by threads.
    pub(super) fn new(image: &[u8], geometry: &Geometry, shared64: &[usize], shared32: &[usize]) -> Self {
        let mut words64: Vec<Word64> = image
            .chunks_exact(8)
            .enumerate()
            .map(|(i, bytes)| Word64 {
                plain: u64::from_le_bytes(bytes.try_into().expect("8 bytes")).into(),
                shared: None,
                step: step_of(geometry, 8 * i),
            })
            .collect();
        for &offset in shared64 {
            let word = &mut words64[offset / 8];
            word.shared = Some(Box::new(loom::sync::atomic::AtomicU64::new(*word.plain.get_mut())));
        }
        let mut words32: Vec<Word32> = image
            .chunks_exact(4)
            .map(|bytes| Word32 { plain: u32::from_le_bytes(bytes.try_into().expect("4 bytes")).into(), shared: None })
            .collect();
        for &offset in shared32 {
            let word = &mut words32[offset / 4];
            word.shared = Some(Box::new(loom::sync::atomic::AtomicU32::new(*word.plain.get_mut())));
        }
        let words8 = image.iter().map(|&byte| Word8(byte.into())).collect();
        let locks = (0..geometry.slots as usize).map(|slot| (geometry.slot(slot), Mutex::new(0))).collect();
        let words = Arc::new(Words { words64, words32, words8, locks });
        MEMORY.set(Arc::downgrade(&words));
        CONTEXT.with_borrow_mut(|context| (context.swapped, context.delayed) = (false, Vec::new()));
        Self(words)
    }

    fn locked(&self, offset: usize) -> MutexGuard<'_, i32> {
        self.0.locks[&offset].lock().expect("no model panics under it")
    }

    /// Changes the lock of a byte, where `may` says so.
    fn lock(&self, offset: usize, may: impl FnOnce(i32) -> bool, by: i32) -> bool {
        let mut held = self.locked(offset);
        let granted = may(*held);
        *held += if granted { by } else { 0 };
        granted
    }
}

impl Memory for ModelMemory {
    type W64 = Word64;
    type W32 = Word32;
    type W8 = Word8;
    fn len(&self) -> usize {
        self.0.words8.len()
    }
    fn words64(&self, offset: usize, count: usize) -> &[Word64] {
        &self.0.words64[offset / 8..offset / 8 + count]
    }
    fn words32(&self, offset: usize, count: usize) -> &[Word32] {
        &self.0.words32[offset / 4..offset / 4 + count]
    }
    fn words8(&self, offset: usize, count: usize) -> &[Word8] {
        &self.0.words8[offset..offset + count]
    }
    #[track_caller]
    fn fence_acquire(&self) {
        if holds(Location::caller()) {
            fence(Ordering::Acquire);
        }
    }
    #[track_caller]
    fn fence_release(&self) {
        if holds(Location::caller()) {
            fence(Ordering::Release);
        }
    }
    #[track_caller]
    fn fence_full(&self) {
        if holds(Location::caller()) {
            fence(Ordering::SeqCst);
        }
    }
}

impl ReaderMemory for ModelMemory {
    fn pin(&self, ranges: ByteRanges) -> Result<bool, ShmError> {
        // All or none, at once, as the kernel does it.
        let mut held: Vec<_> = ranges.offsets().map(|offset| self.locked(offset)).collect();
        let granted = held.iter().all(|held| **held >= 0);
        held.iter_mut().for_each(|held| **held += i32::from(granted));
        Ok(granted)
    }
    fn unpin(&self, ranges: ByteRanges) {
        ranges.offsets().for_each(|offset| *self.locked(offset) -= 1);
    }
}

impl WriterMemory for ModelMemory {
    fn claim(&self, offset: usize) -> bool {
        self.lock(offset, |held| held == 0, -1)
    }
    fn unclaim(&self, offset: usize) {
        self.lock(offset, |_| true, 1);
        done(Step::Unclaim);
    }
    fn sync(&self) -> Result<(), ShmError> {
        Ok(())
    }
    fn wake_all(&self, _offset: usize) {}
    fn prefault(&self, _offset: usize, _len: usize) {}
}
