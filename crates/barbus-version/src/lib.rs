//! The version that the programs of barbus show: its number, the commit, and the formats.
//!
//! A program states `version = barbus_version::short()` and `long_version =
//! barbus_version::long()`, so that `-V` and `--version` are the same in all of them.
#![forbid(unsafe_code)]

#[cfg(test)]
mod git_commit;

use std::sync::LazyLock;

/// The number alone, such as `0.1.0`.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built: the first twelve hexadecimal digits. A debug build, and one without
/// git, has it only if `BARBUS_COMMIT` was set.
pub const COMMIT: Option<&str> = option_env!("BARBUS_COMMIT");

/// The version of the ring's format that is written.
pub const RING_FORMAT: u32 = barbus_ring::layout::VERSION;

/// The version of the archive's format that is written.
pub const ARCHIVE_FORMAT: u32 = barbus_archive::metadata::FORMAT_VERSION;

/// The number and the commit, such as `0.1.0 (1f0f8ef1c2d3)`.
pub fn short() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match COMMIT {
        Some(commit) => format!("{NUMBER} ({commit})"),
        None => NUMBER.to_owned(),
    });
    &TEXT
}

/// As [`short`], with a line for each format.
pub fn long() -> &'static str {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| format!("{}\nring format {RING_FORMAT}\narchive format {ARCHIVE_FORMAT}", short()));
    &TEXT
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_long_text_has_the_formats() {
        let lines: Vec<&str> = long().lines().collect();
        assert_eq!(lines[0], short());
        assert!(short().starts_with(NUMBER));
        assert_eq!(lines[1..], ["ring format 1", "archive format 1"]);
    }

    #[test]
    fn the_commit_is_that_of_the_sources_own_repository() {
        let folder = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.arg("-C").arg(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@example.com"]);
            let output = git.args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let commit = |root: &Path| git_commit::of(root).map(|commit| commit.short);
        assert_eq!(commit(folder.path()), None);
        run(&["init", "--quiet"]);
        assert_eq!(commit(folder.path()), None, "there is no commit yet");
        run(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
        let first = run(&["rev-parse", "HEAD"]);
        assert_eq!(commit(folder.path()).as_deref(), Some(&first[..12]));
        // The branch's file changes with each commit.
        let files = git_commit::of(folder.path()).unwrap().files;
        assert!(files.iter().any(|file| std::fs::read_to_string(file).unwrap().trim() == first), "{files:?}");
        let vendored = folder.path().join("vendor/barbus");
        std::fs::create_dir_all(&vendored).unwrap();
        assert_eq!(commit(&vendored), None, "the repository around it is another project's");
    }
}
