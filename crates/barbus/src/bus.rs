//! `Bus`: the directory of a bus, with its settings and the paths in it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use barbus_bars::Calendar;
use barbus_shm::is_on_tmpfs;

use crate::calendar_files::calendars;
use crate::error::{Error, Result};
use crate::folders::{create_folders, create_readers_folder};
use crate::settings::{InitOptions, Settings, template};

/// A bus: a directory with a `bus.toml`. Opening one reads the settings and
/// the calendar tables, and nothing else.
#[derive(Debug, Clone)]
pub struct Bus {
    path: PathBuf,
    settings: Settings,
    /// What is known of the archive's files.
    #[cfg(feature = "archive")]
    footers: barbus_archive::Footers,
    #[cfg(feature = "archive")]
    persisted: crate::history::Persisted,
}

impl Bus {
    /// Creates a bus at `path`: the directory, its folders, and a `bus.toml` that shows every
    /// setting with its default. The folders have mode 0750, and `readers` 3770, whatever the umask
    /// is.
    ///
    /// # Errors
    /// [`Error::Settings`] if `path` has a `bus.toml` already, or if the options are invalid: then
    /// nothing is created. [`Error::Io`] if the system refuses a file or a folder.
    pub fn init(path: &Path, options: &InitOptions) -> Result<Self> {
        let file = path.join("bus.toml");
        if file.exists() {
            return Err(Error::Settings { path: file, what: "it exists already: this directory is a bus".into() });
        }
        let text = template(options);
        // Invalid options are rejected before anything is created.
        Settings::parse_with(&text, &file, &calendars(Some(path))?)?;
        for folder in [path.to_owned(), path.join("archive/1m"), path.join("quarantine")] {
            create_folders(&folder).map_err(|e| Error::io(&folder, "create", e))?;
        }
        let readers = path.join("readers");
        create_readers_folder(&readers).map_err(|e| Error::io(&readers, "create", e))?;
        std::fs::write(&file, text).map_err(|e| Error::io(&file, "write", e))?;
        let _ = std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640));
        Self::open(path)
    }

    /// Opens the bus at `path`.
    ///
    /// # Errors
    /// [`Error::NotABus`] if there is no such directory, or no `bus.toml` in it.
    /// [`Error::Settings`] for invalid settings or calendar tables.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let not_a_bus = |why: String| Error::NotABus { path: path.to_owned(), why };
        let init = format!("create a bus with: barbus init {} --calendar XSHG", path.display());
        if !path.exists() {
            return Err(not_a_bus(format!("there is no such directory: {init}")));
        }
        if !path.is_dir() {
            return Err(not_a_bus("it is not a directory".into()));
        }
        let file = path.join("bus.toml");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(not_a_bus(format!("it has no bus.toml: {init}")));
            }
            Err(e) => return Err(Error::io(&file, "read", e)),
        };
        let settings = Settings::parse_with(&text, &file, &calendars(Some(path))?)?;
        Ok(Self {
            path: path.to_owned(),
            settings,
            #[cfg(feature = "archive")]
            footers: barbus_archive::Footers::default(),
            #[cfg(feature = "archive")]
            persisted: crate::history::Persisted::default(),
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same bus with another calendar, which its files name by now.
    #[doc(hidden)]
    pub fn with_calendar(&self, calendar: Calendar) -> Self {
        let settings = Settings { calendar, ..self.settings.clone() };
        Self { settings, ..self.clone() }
    }

    /// How many bytes of day files questions have read so far, through this bus and its clones.
    #[cfg(feature = "archive")]
    pub fn archive_bytes_read(&self) -> u64 {
        self.footers.bytes_read()
    }

    /// The archive, to be read. It need not exist.
    #[cfg(feature = "archive")]
    #[doc(hidden)]
    pub fn open_archive(&self) -> barbus_archive::Archive {
        let (schema, calendar) = (self.settings.schema.clone(), self.settings.calendar.name());
        barbus_archive::Archive::open_existing(self.archive(), schema, calendar)
    }

    /// What is known of the archive's files, shared by all clones.
    #[cfg(feature = "archive")]
    pub(crate) fn footers(&self) -> &barbus_archive::Footers {
        &self.footers
    }

    /// Which rows the archive is known to have, shared by all clones.
    #[cfg(feature = "archive")]
    pub(crate) fn persisted(&self) -> &crate::history::Persisted {
        &self.persisted
    }

    /// The ring file.
    pub fn ring(&self) -> PathBuf {
        self.path.join(&self.settings.ring_path)
    }

    /// Whether the ring is on a tmpfs, or will be: its content does not survive a reboot.
    ///
    /// # Errors
    /// [`Error::Io`] if the system cannot determine it, for example because the directory is
    /// missing.
    pub fn ring_is_volatile(&self) -> Result<bool> {
        let ring = self.ring();
        let folder = ring.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        is_on_tmpfs(folder).map_err(|error| Error::io(folder, "find the file system of", error))
    }

    /// The socket on which the daemon listens for producers.
    pub fn socket(&self) -> PathBuf {
        self.path.join(&self.settings.socket)
    }

    /// The directory of the archived days.
    pub fn archive(&self) -> PathBuf {
        self.path.join(&self.settings.archive_path)
    }

    /// A file in the bus's directory that says that the archive has days.
    #[doc(hidden)]
    pub fn archived_marker(&self) -> PathBuf {
        self.path.join("archived")
    }

    /// The directory of quarantined rows.
    pub fn quarantine(&self) -> PathBuf {
        self.path.join("quarantine")
    }

    /// The directory of conflicts: bars that had other values from a source of higher priority.
    pub fn conflicts(&self) -> PathBuf {
        self.path.join("conflicts")
    }

    /// The directory of the readers' position files.
    pub fn readers(&self) -> PathBuf {
        self.path.join("readers")
    }

    /// The file that the writer locks.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }
}
