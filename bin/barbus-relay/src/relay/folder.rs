//! The folder `relays/` of a bus: the identity of the bus, locks, positions and reports.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use barbus::internal::create_folder;
use barbus::{Bus, RelayStat};

/// Opens the folder of a bus, and makes it if there is none.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder of `bus`.
    pub(crate) fn of(bus: &Bus) -> anyhow::Result<Self> {
        let path = RelayStat::folder(bus);
        create_folder(&path).with_context(|| {
            format!("{}: cannot create it: run the relay as the user that owns the bus", path.display())
        })?;
        Ok(Self { path })
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The identity of the bus on streams: a random text that the first relay makes. It stays when
    /// the ring is made anew.
    pub(crate) fn bus_id(&self) -> anyhow::Result<String> {
        let path = self.file("id");
        if !path.exists() {
            let id = random_id()?;
            // Another relay may be the first at the same moment.
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    writeln!(file, "{id}").and_then(|()| file.sync_all()).with_context(|| cannot(&path, "write"))?;
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| cannot(&path, "create")),
            }
        }
        let id = std::fs::read_to_string(&path).with_context(|| cannot(&path, "read"))?.trim().to_owned();
        if id.len() < 16 || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            bail!("{}: not the identity of a bus: remove the file, and the relay makes another one", path.display());
        }
        Ok(id)
    }

    /// Locks the relay `name` until the file is dropped or the process ends.
    ///
    /// # Errors
    /// Another process runs it.
    pub(crate) fn lock(&self, name: &str) -> anyhow::Result<File> {
        let path = self.file(&format!("{name}.lock"));
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| cannot(&path, "open"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                bail!("{}: another process relays this bus as {name}: stop it first", path.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(|| cannot(&path, "lock")),
        }
    }
}

fn cannot(path: &Path, action: &str) -> String {
    format!("{}: cannot {action}", path.display())
}

/// A text that no other process has.
pub(crate) fn random_id() -> anyhow::Result<String> {
    let path = Path::new("/proc/sys/kernel/random/uuid");
    Ok(std::fs::read_to_string(path).with_context(|| cannot(path, "read"))?.trim().to_owned())
}

/// The kernel's text for the current boot; empty if it gives none.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Replaces a file as a whole. With `durable`, it is on disk when this returns.
pub(crate) fn replace_file(path: &Path, content: &[u8], durable: bool) -> std::io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    let mut file = File::create(&next)?;
    file.write_all(content)?;
    if durable {
        file.sync_all()?;
    }
    std::fs::rename(&next, path)?;
    if let (true, Some(folder)) = (durable, path.parent()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use barbus::InitOptions;

    #[test]
    fn the_identity_stays_and_a_relay_runs_once() {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions { calendar: "24x7".into(), preset: None };
        let bus = Bus::init(&folder.path().join("bus"), &options).unwrap();
        let relays = Folder::of(&bus).unwrap();
        let id = relays.bus_id().unwrap();
        assert_eq!(Folder::of(&bus).unwrap().bus_id().unwrap(), id);
        let lock = relays.lock("out-S").unwrap();
        let refused = relays.lock("out-S").unwrap_err().to_string();
        assert!(refused.contains("stop it first"), "{refused}");
        drop(lock);
        relays.lock("out-S").unwrap();
        std::fs::write(relays.file("id"), "x").unwrap();
        assert!(relays.bus_id().unwrap_err().to_string().contains("remove the file"));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in-x.position");
        for (content, durable) in [("one", true), ("two", false)] {
            replace_file(&path, content.as_bytes(), durable).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
