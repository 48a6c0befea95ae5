//! Runs a program that is installed by itself.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

/// Runs `program`, which is beside this one or on the path, in the place of this process: its exit
/// code and signals are those of this command.
///
/// # Errors
/// It is not installed: the message names `folder`, from which cargo installs it.
pub(in crate::commands) fn run(program: &str, folder: &str, arguments: &[OsString]) -> anyhow::Result<Infallible> {
    let beside = std::env::current_exe().ok().map(|this| this.with_file_name(program));
    let path = beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(program));
    let error = Command::new(&path).args(arguments).exec();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            bail!("{program} is not installed: install it with: cargo install --path {folder}")
        }
        _ => bail!("{}: {error}", path.display()),
    }
}
