//! Independent pieces of work spread over the processors.
//!
//! One piece, one processor, or a day too short for it to pay, means no thread at all; a thread that cannot be started is
//! done without.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

/// With fewer rows, starting threads takes longer than they save.
const MIN_ROWS: usize = 10_000;

/// Whether work on so many rows is worth threads.
pub(crate) fn pay_for(rows: usize) -> bool {
    rows >= MIN_ROWS
}

/// The results of `task(0)` to `task(count - 1)`, pieces of work on `rows` rows in all, in this order. Pieces are begun in
/// order too.
pub(crate) fn in_order<T: Send>(count: usize, rows: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let processors = if pay_for(rows) { thread::available_parallelism().map_or(1, NonZero::get) } else { 1 };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            // Relaxed: the number alone is handed out; results come back through `join`.
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= count {
                return done;
            }
            done.push((piece, task(piece)));
        }
    };
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> =
            (1..processors.min(count)).map_while(|_| Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut done = work();
        for thread in threads {
            done.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|&(piece, _)| piece);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once_and_results_are_in_order() {
        for (count, rows) in [0, 1, 2, 1_000].into_iter().flat_map(|count| [(count, 0), (count, MIN_ROWS)]) {
            assert!(in_order(count, rows, |piece| piece * 2).into_iter().eq((0..count).map(|piece| piece * 2)));
        }
    }

    #[test]
    #[should_panic(expected = "piece 7")]
    fn a_panic_is_passed_on() {
        in_order(100, MIN_ROWS, |piece| assert_ne!(piece, 7, "piece 7"));
    }
}
