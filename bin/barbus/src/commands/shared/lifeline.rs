//! A process that must not outlive the one that started it, however that one ends.

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Has this process sent SIGTERM when its parent, process `pid`, ends.
///
/// # Errors
/// The parent has ended already, or the kernel refuses.
pub(crate) fn end_with_parent(pid: u32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // The parent may have ended before the line above.
    let parent = getppid().map(|parent| parent.as_raw_nonzero().get());
    anyhow::ensure!(parent == i32::try_from(pid).ok(), "process {pid}, which started this one, is gone");
    Ok(())
}
