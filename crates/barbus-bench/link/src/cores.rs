//! Binds threads to cores.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread, for the affinity calls.
const THIS_THREAD: Pid = Pid::from_raw(0);

/// Binds the calling thread, and the threads that it starts later, to one core.
///
/// `core` counts the cores that the thread may use, which a container may limit.
/// If there are fewer, the thread runs on the last of them.
pub fn pin(core: usize) {
    let alone = |core: &usize| {
        let mut set = CpuSet::new();
        set.set(*core).and_then(|()| sched_setaffinity(THIS_THREAD, &set)).is_ok()
    };
    let _ = (0..CpuSet::count()).filter(alone).nth(core);
}

/// Undoes [`pin`].
pub fn unpin() {
    let mut set = CpuSet::new();
    (0..CpuSet::count()).for_each(|core| set.set(core).expect("below the size of the set"));
    let _ = sched_setaffinity(THIS_THREAD, &set);
}

#[cfg(test)]
mod tests {
    use nix::sched::sched_getaffinity;

    use super::*;

    #[test]
    fn a_thread_is_on_one_core_until_it_is_unpinned() {
        let cores = || {
            let set = sched_getaffinity(THIS_THREAD).unwrap();
            (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap()).collect::<Vec<_>>()
        };
        unpin();
        let all = cores();
        for (n, &core) in all.iter().enumerate() {
            pin(n);
            assert_eq!(cores(), [core]);
        }
        pin(CpuSet::count());
        assert_eq!(cores().len(), 1);
        unpin();
        assert_eq!(cores(), all);
    }
}
