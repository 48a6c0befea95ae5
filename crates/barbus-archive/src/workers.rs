//! Independent pieces of work spread over the processors.
//!
//! One piece, one processor, or a day too short for it to pay, means no other thread at all; one that cannot be started is
//! done without.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZero;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread::{self, Builder};

/// With fewer rows, starting threads takes longer than they save.
pub(crate) const WORTH: usize = 10_000;

/// How many threads work on so many rows, where at least `worth` are worth several.
pub(crate) fn threads(rows: usize, worth: usize) -> usize {
    // Asked once: the answer takes several files of the system.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let all = || *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get));
    if rows >= worth { all() } else { 1 }
}

/// The results of `task(0)` to `task(count - 1)` in this order, from so many threads. Pieces are begun in order too.
pub(crate) fn in_order<T: Send>(count: usize, threads: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut done = Vec::with_capacity(count);
    let all = in_turn(
        count,
        threads,
        || (),
        |(), piece| task(piece),
        |result| {
            done.push(result);
            Ok::<_, Infallible>(())
        },
    );
    all.unwrap_or_else(|never| match never {});
    done
}

/// As [`in_order`]; each thread has what `tools` makes for it at hand, and each result is taken, by the calling thread, as soon as those before it
/// were. The first error of `take` is the end.
pub(crate) fn in_turn<T: Send, S, E>(
    count: usize,
    threads: usize,
    tools: impl Fn() -> S + Sync,
    task: impl Fn(&mut S, usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    // Relaxed: the number alone is handed out; results come back through the channel.
    let begin = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&piece| piece < count);
    let (send, results) = mpsc::channel();
    let work = |send: mpsc::Sender<(usize, T)>| {
        let mut tools = tools();
        while let Some(piece) = begin() {
            if send.send((piece, task(&mut tools, piece))).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (1..threads.min(count))
            .map_while(|_| {
                let send = send.clone();
                Builder::new().spawn_scoped(scope, || work(send)).ok()
            })
            .collect();
        drop(send);
        let mut tools = tools();
        let (mut waiting, mut taken) = (BTreeMap::new(), 0);
        let mut outcome = Ok(());
        while taken < count && outcome.is_ok() {
            match begin() {
                Some(piece) => drop(waiting.insert(piece, task(&mut tools, piece))),
                None if waiting.contains_key(&taken) => {}
                // None comes any more when a thread has panicked.
                None => match results.recv() {
                    Ok((piece, result)) => drop(waiting.insert(piece, result)),
                    Err(_) => break,
                },
            }
            waiting.extend(results.try_iter());
            while let Some(result) = waiting.remove(&taken).filter(|_| outcome.is_ok()) {
                outcome = take(result);
                taken += 1;
            }
        }
        next.store(count, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
        }
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once_and_results_are_in_order() {
        for (count, threads) in [0, 1, 2, 1_000].into_iter().flat_map(|count| [(count, 1), (count, 3)]) {
            assert!(in_order(count, threads, |piece| piece * 2).into_iter().eq((0..count).map(|piece| piece * 2)));
        }
    }

    #[test]
    fn results_are_taken_in_order_until_one_is_refused() {
        for refused in [0, 1, 500, 999, 1_000] {
            let mut taken = 0;
            let take = |piece| {
                assert_eq!(piece, taken);
                taken += 1;
                if piece == refused { Err(piece) } else { Ok(()) }
            };
            let outcome = in_turn(1_000, 3, || 0, |_, piece| piece, take);
            assert_eq!(outcome, if refused < 1_000 { Err(refused) } else { Ok(()) });
            assert_eq!(taken, 1_000.min(refused + 1));
        }
    }

    #[test]
    #[should_panic(expected = "piece 7")]
    fn a_panic_is_passed_on() {
        in_order(100, 3, |piece| assert_ne!(piece, 7, "piece 7"));
    }
}
