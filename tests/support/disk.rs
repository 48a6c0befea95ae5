//! Small file systems of one test, mounted from an image or in memory.
//!
//! Mounting needs root and a permitting system; without it a test reports that it is skipped.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::wait;

/// The file systems that a ring is tested on. btrfs and xfs need images of some size.
pub(crate) const KINDS: [&str; 4] = ["ext4", "xfs", "btrfs", "tmpfs"];
/// Size of an image.
const IMAGE_BYTES: u64 = 320 << 20;

/// A mounted file system; dropping it unmounts it.
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    image: Option<PathBuf>,
}

impl Disk {
    /// Mounts a tmpfs of `size`, with the mode of `/tmp`.
    pub(crate) fn mount(path: PathBuf, size: &str) -> Option<Disk> {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path))?;
        Some(Disk { path, image: None })
    }

    /// Mounts a new file system of one of [`KINDS`], with mode 0750.
    pub(crate) fn mount_kind(path: &Path, kind: &str) -> Option<Disk> {
        let disk = match kind {
            "tmpfs" => Disk::mount(path.to_owned(), "24m")?,
            _ => Disk::mount_image(path, kind)?,
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o750)).expect("root may");
        Some(disk)
    }

    fn mount_image(path: &Path, kind: &str) -> Option<Disk> {
        let image = path.with_extension("image");
        fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).expect("ours");
        let force = if kind == "ext4" { "-F" } else { "-f" };
        run(Command::new(format!("mkfs.{kind}")).args(["-q", force]).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(path))?;
        Some(Disk { path: path.to_owned(), image: Some(image) })
    }

    /// Unmounts an image; [`Disk::mount_again`] mounts it with all its files.
    pub(crate) fn unmount(&self) {
        run(Command::new("umount").arg("-l").arg(&self.path)).expect("root may");
    }

    /// Mounts an image that was unmounted.
    pub(crate) fn mount_again(&self) {
        let image = self.image.as_ref().expect("a file system in memory is gone");
        run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(&self.path)).expect("root may");
    }

    /// Takes every byte that is free.
    pub(crate) fn fill(&self) {
        let mut filler = fs::File::create(self.path.join("filler")).expect("a name needs little");
        let mut size = 1 << 20;
        // The last bytes are taken in small pieces.
        while size >= 1 {
            match filler.write_all(&vec![0; size]) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
                    size /= 16;
                }
            }
        }
        // btrfs finds out what it has promised when it writes.
        let _ = filler.sync_all();
    }

    /// Frees the bytes again.
    pub(crate) fn free(&self) {
        fs::remove_file(self.path.join("filler")).expect("it was filled");
        // btrfs frees them with its next commit, and xfs in the background.
        let probe = self.path.join("probe");
        wait::until("free bytes", || {
            let _ = run(Command::new("sync").arg("-f").arg(&self.path));
            fs::write(&probe, vec![0; 64 << 10]).ok()
        });
        fs::remove_file(probe).expect("ours");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A lazy unmount, because the daemon may still have open files there.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        if let Some(image) = &self.image {
            let _ = fs::remove_file(image);
        }
    }
}

/// Runs a command, or reports that the test is skipped because it fails.
pub(crate) fn run(command: &mut Command) -> Option<()> {
    match command.output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => {
            println!("skipped: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            println!("skipped: {command:?}: {error}");
            None
        }
    }
}
