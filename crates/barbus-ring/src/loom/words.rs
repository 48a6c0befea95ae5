//! Words as loom has them, and the ways in which a test breaks the protocol on purpose.
//!
//! A fence or a release store can be left out ([`Sabotage::Weaken`]), and two steps can change
//! places ([`Sabotage::Delay`]).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use barbus_shm::{Load, Store};
use loom::sync::atomic::Ordering;

/// A line of the source code.
pub(super) type Site = (&'static str, u32);

/// What a store is for, or a step that is not a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProtocolStep {
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

/// How the protocol is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sabotage {
    /// The fence at this site is left out, or the release store there is relaxed.
    Weaken(Site),
    /// A store of the first kind is done only after the next one of the second kind.
    Delay(ProtocolStep, ProtocolStep),
}

#[derive(Default)]
struct Context {
    sabotage: Option<Sabotage>,
    sites: BTreeSet<Site>,
    steps: BTreeSet<ProtocolStep>,
    swapped: bool,
    /// Delayed stores: the index of the word, and the value.
    delayed: Vec<(usize, u64)>,
    /// The words of the present run.
    words: Weak<Vec<Word64>>,
}

thread_local! {
    // loom runs the threads of a model as coroutines of one thread.
    static CONTEXT: RefCell<Context> = RefCell::default();
}

/// Runs `model` with the protocol broken by `sabotage`. Returns also the sites and the steps that
/// were reached.
pub(super) fn with_sabotage<T>(
    sabotage: Option<Sabotage>,
    model: impl FnOnce() -> T,
) -> (T, BTreeSet<Site>, BTreeSet<ProtocolStep>) {
    CONTEXT.with_borrow_mut(|context| *context = Context { sabotage, ..Context::default() });
    let result = model();
    let context = CONTEXT.take();
    (result, context.sites, context.steps)
}

/// Starts a run over `words`.
pub(super) fn start_run(words: &Arc<Vec<Word64>>) {
    CONTEXT.with_borrow_mut(|context| {
        context.swapped = false;
        context.delayed = Vec::new();
        context.words = Arc::downgrade(words);
    });
}

/// Whether the fence or release store at `site` is to be done.
pub(super) fn is_intact(site: &'static Location<'static>) -> bool {
    let site = (site.file(), site.line());
    CONTEXT.with_borrow_mut(|context| {
        context.sites.insert(site);
        context.sabotage != Some(Sabotage::Weaken(site))
    })
}

/// Notes that a step was done, and does the stores that were delayed until after it.
pub(super) fn step_done(step: ProtocolStep) {
    let (due, words) = CONTEXT.with_borrow_mut(|context| {
        context.steps.insert(step);
        let due = match context.sabotage {
            Some(Sabotage::Delay(_, second)) if second == step && !context.delayed.is_empty() => {
                // Two steps have changed places. Everything after them is in order.
                context.swapped = true;
                std::mem::take(&mut context.delayed)
            }
            _ => Vec::new(),
        };
        (due, context.words.upgrade())
    });
    for (index, value) in due {
        words.as_ref().expect("a run has words")[index].store(value, Ordering::Relaxed);
    }
}

pub(super) struct Word64 {
    index: usize,
    plain: std::sync::atomic::AtomicU64,
    shared: Option<Box<loom::sync::atomic::AtomicU64>>,
    step: ProtocolStep,
}

impl Word64 {
    pub(super) fn new(index: usize, value: u64, step: ProtocolStep) -> Self {
        Self { index, plain: value.into(), shared: None, step }
    }

    /// Makes it a word that threads share.
    pub(super) fn share(&mut self) {
        self.shared = Some(Box::new(loom::sync::atomic::AtomicU64::new(*self.plain.get_mut())));
    }

    fn store(&self, value: u64, order: Ordering) {
        match &self.shared {
            Some(word) => word.store(value, order),
            None => self.plain.store(value, Relaxed),
        }
    }

    /// Stores the value at once, or delays the store if the sabotage requires it.
    fn store_or_delay(&self, value: u64, order: Ordering) {
        let step = self.step;
        if self.shared.is_none() {
            return self.store(value, order);
        }
        let delays = CONTEXT.with_borrow(|context| {
            let delays = matches!(context.sabotage, Some(Sabotage::Delay(first, _)) if first == step);
            delays && !context.swapped
        });
        // A store that changes nothing is not delayed: the delay would have no effect.
        let delays = delays && self.get() != value;
        CONTEXT.with_borrow_mut(|context| {
            context.steps.insert(step);
            if delays {
                context.delayed.push((self.index, value));
            }
        });
        if !delays {
            self.store(value, order);
            step_done(step);
        }
    }
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
        self.store_or_delay(value, Ordering::Relaxed);
    }
    #[track_caller]
    fn set_release(&self, value: u64) {
        // The order of a store that no other thread loads does not matter here.
        let release = self.shared.is_none() || is_intact(Location::caller());
        self.store_or_delay(value, if release { Ordering::Release } else { Ordering::Relaxed });
    }
}

pub(super) struct Word32 {
    plain: std::sync::atomic::AtomicU32,
    shared: Option<Box<loom::sync::atomic::AtomicU32>>,
}

impl Word32 {
    pub(super) fn new(value: u32) -> Self {
        Self { plain: value.into(), shared: None }
    }

    /// Makes it a word that threads share.
    pub(super) fn share(&mut self) {
        self.shared = Some(Box::new(loom::sync::atomic::AtomicU32::new(*self.plain.get_mut())));
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
            Some(word) if is_intact(Location::caller()) => word.store(value, Ordering::Release),
            _ => self.set(value),
        }
    }
}

pub(super) struct Word8(AtomicU8);

impl Word8 {
    pub(super) fn new(value: u8) -> Self {
        Self(value.into())
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
