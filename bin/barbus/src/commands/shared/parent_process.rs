//! Ends a process together with the process that started it.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// Makes the kernel send SIGTERM to this process when its parent, process `pid`, ends.
///
/// # Errors
/// The parent has ended already, or the kernel refuses.
pub(in crate::commands) fn end_with_parent(pid: u32) -> anyhow::Result<()> {
    set_pdeathsig(Signal::SIGTERM)?;
    // If the parent ended before the call above, no signal will arrive.
    anyhow::ensure!(Ok(getppid().as_raw()) == i32::try_from(pid), "process {pid}, which started this one, has ended");
    Ok(())
}
