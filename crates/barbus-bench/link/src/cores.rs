use rustix::thread::{CpuSet, sched_setaffinity};

/// The calling thread, and those that it starts from here on, run on core `core` alone.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // A machine with one core measures unpinned.
    let _ = sched_setaffinity(None, &set);
}

/// Undoes [`pin`].
pub fn unpin() {
    let mut set = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| set.set(core));
    let _ = sched_setaffinity(None, &set);
}
