//! The commit that is checked out in a directory, as git names it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A commit, and the files that change when another one is checked out.
pub(crate) struct Commit {
    /// Its first twelve hexadecimal digits.
    pub(crate) short: String,
    pub(crate) files: Vec<PathBuf>,
}

/// The commit of the repository whose top is `root`; `None` if it is no such directory.
///
/// A repository around an unpacked archive of the sources is another project's.
pub(crate) fn of(root: &Path) -> Option<Commit> {
    let top = PathBuf::from(git(root, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let short = git(root, &["rev-parse", "--short=12", "HEAD"])?;
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    let names = ["HEAD".to_owned(), "packed-refs".to_owned()].into_iter().chain(branch);
    let paths = names.filter_map(|name| git(root, &["rev-parse", "--git-path", &name]));
    // A file that does not exist would make cargo run the build script each time.
    let files = paths.map(|path| root.join(path)).filter(|path| path.exists()).collect();
    Some(Commit { short, files })
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
