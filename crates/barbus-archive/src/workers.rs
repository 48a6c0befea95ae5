//! Independent pieces of work on all processors.
//!
//! The thread that calls works too. A day that is too short to gain from other threads starts none.
//! If a thread cannot be started, the others do its work.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic;
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread::{self, Builder};

/// With fewer rows, starting a thread takes longer than it saves.
const MIN_ROWS: usize = 10_000;

thread_local! {
    static FEW_THREADS: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, in which a day is read or written by at most half of the processors: for old days,
/// beside which other threads must not wait for a processor.
///
/// ```
/// assert_eq!(barbus_archive::with_few_threads(|| 7), 7);
/// ```
pub fn with_few_threads<T>(work: impl FnOnce() -> T) -> T {
    let before = FEW_THREADS.replace(true);
    let result = work();
    FEW_THREADS.set(before);
    result
}

/// How many threads work on `rows` rows.
pub fn threads(rows: usize) -> usize {
    // Determined once: it reads several files of the system.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors = || *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get));
    match FEW_THREADS.get() {
        _ if rows < MIN_ROWS => 1,
        true => (processors() / 2).max(1),
        false => processors(),
    }
}

/// The results of `task` for each of `items`, in their order. They start in this order too, on as
/// many threads as `rows` rows are worth.
pub fn map<T: Send, R: Send>(items: Vec<T>, rows: usize, task: impl Fn(T) -> R + Sync) -> Vec<R> {
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

/// Passes the results of `task` for each of `items` to `consume`, in order.
///
/// `consume` runs on the calling thread and gets each result as soon as all earlier ones exist.
/// Beside it run as many threads as `rows` rows are worth. If `consume` returns early, the threads
/// leave the items that they have not started.
pub(crate) fn map_in_order<T: Send, R: Send, O>(
    items: Vec<T>,
    rows: usize,
    task: impl Fn(T) -> R + Sync,
    consume: impl FnOnce(&mut dyn Iterator<Item = R>) -> O,
) -> O {
    let count = if threads(rows) == 1 { 0 } else { threads(rows).min(items.len()) };
    let queue = Mutex::new(items.into_iter().enumerate());
    let next_item = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = |results: mpsc::Sender<(usize, R)>| {
        while let Some((number, item)) = next_item() {
            if results.send((number, task(item))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let start = |results| Builder::new().spawn_scoped(scope, || work(results)).is_ok();
        let started = (0..count).take_while(|_| start(sender.clone())).count();
        drop(sender);
        if started == 0 {
            return consume(&mut std::iter::from_fn(next_item).map(|(_, item)| task(item)));
        }
        let mut early = BTreeMap::new();
        let outcome = consume(&mut (0..).map_while(|number| {
            loop {
                if let Some(result) = early.remove(&number) {
                    return Some(result);
                }
                let (later, result) = receiver.recv().ok()?;
                early.insert(later, result);
            }
        }));
        drop(receiver);
        outcome
    })
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
    fn few_threads_are_half_of_the_processors() {
        let all = threads(MIN_ROWS);
        assert_eq!(with_few_threads(|| threads(MIN_ROWS)), (all / 2).max(1));
        assert_eq!(threads(MIN_ROWS), all);
    }

    #[test]
    fn results_are_consumed_in_order_and_some_may_be_left() {
        for (count, rows) in [0, 1, 2, 1_000].into_iter().flat_map(|count| [(count, 1), (count, MIN_ROWS)]) {
            for taken in [count, count / 2] {
                let items: Vec<usize> = (0..count).collect();
                let results: Vec<usize> =
                    map_in_order(items, rows, |item| item * 2, |results| results.take(taken).collect());
                assert!(results.into_iter().eq((0..taken).map(|item| item * 2)), "{taken} of {count}");
            }
        }
    }

    /// The first item ends after the last one has begun. By then one of the others has a result, as
    /// there are as many of them as threads.
    #[test]
    fn a_result_that_comes_late_is_consumed_in_its_place() {
        let others = threads(MIN_ROWS);
        if others == 1 {
            return eprintln!("skipped: one processor");
        }
        let (last_began, first_may_end) = mpsc::channel();
        let first_may_end = Mutex::new(first_may_end);
        let task = |item: usize| {
            match item {
                0 => first_may_end.lock().unwrap().recv().unwrap(),
                item if item == others => last_began.send(()).unwrap(),
                _ => {}
            }
            item
        };
        let results: Vec<usize> = map_in_order((0..=others).collect(), MIN_ROWS, task, |results| results.collect());
        assert!(results.into_iter().eq(0..=others));
    }

    #[test]
    #[should_panic(expected = "item 7")]
    fn a_panic_is_passed_on() {
        map((0..100).collect(), MIN_ROWS, |item: usize| assert_ne!(item, 7, "item 7"));
    }
}
