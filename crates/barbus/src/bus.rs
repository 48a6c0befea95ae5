use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use barbus_shm::is_on_tmpfs;

use crate::internal::{create_folder, create_readers_folder};
use crate::settings::{InitOptions, Settings, template};
use crate::{Error, Result};

/// A bus: a directory with `bus.toml` in it. Opening one reads the settings and touches nothing else.
#[derive(Debug, Clone)]
pub struct Bus {
    path: PathBuf,
    settings: Settings,
}

impl Bus {
    /// Makes a new bus at `path`: the directory and its folders (mode 0750, `readers` 3770, whatever the umask), and a `bus.toml` that shows every setting.
    ///
    /// Fails where `path` has a `bus.toml` already.
    pub fn init(path: &Path, options: &InitOptions) -> Result<Self> {
        let file = path.join("bus.toml");
        if file.exists() {
            return Err(Error::Settings { path: file, what: "there already: this is a bus".into() });
        }
        let text = template(options);
        // What is refused is refused before anything is made.
        Settings::parse(&text, &file)?;
        for folder in [path.to_owned(), path.join("archive/1m"), path.join("quarantine")] {
            create_folder(&folder).map_err(|e| Error::io(&folder, "create", e))?;
        }
        let readers = path.join("readers");
        create_readers_folder(&readers).map_err(|e| Error::io(&readers, "create", e))?;
        std::fs::write(&file, text).map_err(|e| Error::io(&file, "write", e))?;
        let _ = std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640));
        Self::open(path)
    }

    /// The bus at `path`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let not = |why: String| Error::NotABus { path: path.to_owned(), why };
        let init = format!("make one with: barbus init {} --calendar XSHG", path.display());
        if !path.exists() {
            return Err(not(format!("there is no such directory: {init}")));
        }
        if !path.is_dir() {
            return Err(not("it is not a directory".into()));
        }
        let file = path.join("bus.toml");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(not(format!("it has no bus.toml: {init}")));
            }
            Err(e) => return Err(Error::io(&file, "read", e)),
        };
        Ok(Self { path: path.to_owned(), settings: Settings::parse(&text, &file)? })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The ring file.
    pub fn ring(&self) -> PathBuf {
        self.path.join(&self.settings.ring_path)
    }

    /// Whether the ring is, or would be, on a file system in memory, such as tmpfs: it does not survive a loss of power.
    ///
    /// # Errors
    /// [`Error::Io`] where the system does not say.
    pub fn ring_is_volatile(&self) -> Result<bool> {
        let ring = self.ring();
        let folder = ring.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        is_on_tmpfs(folder).map_err(|error| Error::io(folder, "look at the file system of", error))
    }

    /// The socket that producers connect to.
    pub fn socket(&self) -> PathBuf {
        self.path.join(&self.settings.socket)
    }

    /// The directory of the archived days.
    pub fn archive(&self) -> PathBuf {
        self.path.join(&self.settings.archive_path)
    }

    /// The directory of what was not taken.
    pub fn quarantine(&self) -> PathBuf {
        self.path.join("quarantine")
    }

    /// The directory in which readers keep their positions.
    pub fn readers(&self) -> PathBuf {
        self.path.join("readers")
    }

    /// The writer's lock.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }
}
