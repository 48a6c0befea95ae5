//! Independent pieces of work on all processors.
//!
//! The thread that calls works too. A day that is too short to gain from other threads starts none.
//! If a thread cannot be started, the others do its work.

use std::num::NonZero;
use std::panic;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, Builder};

/// With fewer rows, starting a thread takes longer than it saves.
const MIN_ROWS: usize = 10_000;

/// How many threads work on `rows` rows.
pub(crate) fn threads(rows: usize) -> usize {
    // Determined once: it reads several files of the system.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors = || *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get));
    if rows < MIN_ROWS { 1 } else { processors() }
}

/// The results of `task` for each of `items`, in their order. They start in this order too, on as
/// many threads as `rows` rows are worth.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, rows: usize, task: impl Fn(T) -> R + Sync) -> Vec<R> {
    let others = threads(rows).min(items.len()).saturating_sub(1);
    let queue = Mutex::new(items.into_iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, item)) = next else { return done };
            done.push((number, task(item)));
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (0..others).map_while(|_| Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut done = work();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The results of both, which run at the same time if `rows` is not below [`MIN_ROWS`].
pub(crate) fn both<A: Send, B>(rows: usize, a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B) -> (A, B) {
    if threads(rows) == 1 {
        return (a(), b());
    }
    thread::scope(|scope| {
        let a = scope.spawn(a);
        let b = b();
        (a.join().unwrap_or_else(|panic| panic::resume_unwind(panic)), b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_results_are_in_order() {
        for (count, rows) in [0, 1, 2, 1_000].into_iter().flat_map(|count| [(count, 1), (count, MIN_ROWS)]) {
            assert!(map((0..count).collect(), rows, |item| item * 2).into_iter().eq((0..count).map(|item| item * 2)));
        }
    }

    #[test]
    #[should_panic(expected = "item 7")]
    fn a_panic_is_passed_on() {
        map((0..100).collect(), MIN_ROWS, |item: usize| assert_ne!(item, 7, "item 7"));
    }
}
