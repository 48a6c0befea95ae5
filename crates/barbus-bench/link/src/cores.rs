use rustix::thread::{CpuSet, sched_setaffinity};

/// The calling thread, and those that it starts from here on, run on one core alone: the one with number `core` among those that it may run on,
/// which a container may have limited. Where there are not as many it is the last of them.
pub fn pin(core: usize) {
    let alone = |core: &usize| {
        let mut set = CpuSet::new();
        set.set(*core);
        sched_setaffinity(None, &set).is_ok()
    };
    let _ = (0..CpuSet::MAX_CPU).filter(alone).nth(core);
}

/// Undoes [`pin`].
pub fn unpin() {
    let mut set = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| set.set(core));
    let _ = sched_setaffinity(None, &set);
}

#[cfg(test)]
mod tests {
    use rustix::thread::sched_getaffinity;

    use super::*;

    #[test]
    fn a_thread_is_on_one_core_until_it_is_let_go() {
        let cores = || sched_getaffinity(None).unwrap();
        unpin();
        let all = cores();
        let nth = |n| (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core)).nth(n);
        for n in 0..all.count() as usize {
            pin(n);
            assert_eq!((cores().count(), nth(n).is_some_and(|core| cores().is_set(core))), (1, true));
        }
        pin(CpuSet::MAX_CPU);
        assert_eq!(cores().count(), 1);
        unpin();
        assert_eq!(cores(), all);
    }
}
