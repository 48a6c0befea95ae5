//! Work on old days, which must not delay live bars: with a lower priority and fewer threads.
//!
//! On a machine whose processors are all busy a live bar waits until a processor is free for the
//! thread that publishes it. The scheduler prefers that thread to those of lower priority.
//! A thread cannot take its old priority back without privileges, so such work has threads of its
//! own.

use std::thread::{self, Builder};

use rustix::process::{getpriority_process, setpriority_process};

/// How much lower the priority is, as `nice` counts: about a tenth of the processor time of others,
/// if all want it.
const NICE: i32 = 10;
/// The lowest priority that there is.
const MAX_NICE: i32 = 19;

/// Lowers the priority of the calling thread and of those that it starts.
pub(crate) fn lower_priority() {
    // On Linux the calling thread is meant, not its process. Without it the work is done too.
    let nice = getpriority_process(None).unwrap_or(0);
    let _ = setpriority_process(None, (nice + NICE).min(MAX_NICE));
}

/// Does `work` on a thread of low priority, and waits for it.
///
/// If no thread can be started, it is done on the calling one.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let mut work = Some(work);
    let done = thread::scope(|scope| {
        let on_thread = || {
            lower_priority();
            work.take().map(barbus_archive::with_few_threads)
        };
        let thread = Builder::new().name("barbus-late".into()).spawn_scoped(scope, on_thread).ok()?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    match (done, work) {
        (Some(result), _) => result,
        (None, Some(work)) => barbus_archive::with_few_threads(work),
        (None, None) => unreachable!("work that was taken is done"),
    }
}

/// Drops `value` on a thread of low priority: to free much memory takes milliseconds.
///
/// If no thread can be started, it is dropped on the calling one.
pub(crate) fn drop_later<T: Send + 'static>(value: T) {
    let free = move || {
        lower_priority();
        drop(value);
    };
    let _ = Builder::new().name("barbus-free".into()).spawn(free);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `nice` value of the calling thread, as the kernel shows it.
    fn nice() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn work_has_a_lower_priority_and_the_caller_keeps_its_own() {
        let before = nice();
        let lower = (before + NICE).min(MAX_NICE);
        let found = run(|| (nice(), thread::scope(|scope| scope.spawn(nice).join().unwrap())));
        assert_eq!(found, (lower, lower), "also of the threads that it starts");
        assert_eq!(nice(), before);
    }

    #[test]
    #[should_panic(expected = "the work panics")]
    fn a_panic_is_passed_on() {
        run(|| panic!("the work panics"));
    }
}
