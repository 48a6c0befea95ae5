//! The scheduler's time slice of a thread.

use std::io;
use std::mem::size_of;
use std::time::Duration;

use libc::{SYS_sched_getattr, SYS_sched_setattr, sched_attr};

/// Asks for a time slice of this length for the calling thread and the threads that it starts.
///
/// A shorter slice costs no processor time and gives none: the kernel only decides more often which
/// thread runs. Where more threads want to run than processors are free, a thread that was woken
/// waits for the slices of the others to end, by default some milliseconds.
///
/// Linux 6.12 and later take slices of 0.1 to 100 ms from threads of the default policy; earlier
/// kernels ignore the length.
///
/// # Errors
/// The kernel does not know the system call, or a sandbox forbids it.
pub fn set_time_slice(slice: Duration) -> io::Result<()> {
    let size = size_of::<sched_attr>() as u32;
    let mut attributes = sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes at most `size` bytes to the structure, which has that size.
    let got = unsafe { libc::syscall(SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    check(got)?;
    // Policy and priority stay as they are.
    attributes.sched_runtime = slice.as_nanos().try_into().unwrap_or(u64::MAX);
    // SAFETY: the kernel reads the structure, whose size is in its first field, and writes nothing.
    let set = unsafe { libc::syscall(SYS_sched_setattr, 0, &raw const attributes, 0) };
    check(set)
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slice of the calling thread in nanoseconds, as the kernel shows it; `None` where it does
    /// not.
    fn shown() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/sched").ok()?;
        let line = text.lines().find(|line| line.starts_with("se.slice"))?;
        line.rsplit(':').next()?.trim().parse().ok()
    }

    /// Whether the kernel takes slices: Linux 6.12 and later.
    fn kernel_takes_slices() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map(|number| number.trim().parse::<u32>().unwrap_or(0));
        (numbers.next(), numbers.next()) >= (Some(6), Some(12))
    }

    #[test]
    fn a_thread_and_those_that_it_starts_have_the_slice() {
        let slices = std::thread::spawn(|| {
            set_time_slice(Duration::from_micros(150)).unwrap();
            [shown(), std::thread::spawn(shown).join().unwrap()]
        });
        let slices = slices.join().unwrap();
        match shown() {
            Some(own) if kernel_takes_slices() => {
                assert_eq!(slices, [Some(150_000); 2]);
                assert_ne!(own, 150_000, "the thread that starts it keeps its own");
            }
            _ => println!("skipped: this kernel takes or shows no slices"),
        }
    }
}
