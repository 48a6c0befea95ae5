//! A temporary folder with the settings of a bus, in which its days are read one at a time.

use std::path::{Component, Path, PathBuf};

use barbus::{Bus, Date};
use barbus_archive::Archive;
use tempfile::TempDir;

use super::failure::{Failure, Kind};
use super::identity::cannot;
use super::manifest::{Day, Manifest};
use super::place::Place;
use super::transfer::fetch_day;

/// The settings as a manifest has them, and room for days.
pub(super) struct Scratch {
    dir: TempDir,
    pub(super) bus: Bus,
}

impl Scratch {
    /// Writes the small files of `manifest` to a new folder in the system's temporary folder
    /// (`TMPDIR`).
    pub(super) fn new(place: &Place, manifest: &Manifest) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("barbus-").tempdir();
        let dir = dir.map_err(|error| cannot("create a folder in", &std::env::temp_dir(), &error))?;
        write_small_files(place, manifest, dir.path(), |_| true)?;
        let bus = Bus::open(dir.path()).map_err(|error| {
            Failure::new(Kind::Unfit, format!("{}: the settings of its bus cannot be used: {error}", place.name))
        })?;
        std::fs::create_dir(days(&dir)).map_err(|error| cannot("create", &days(&dir), &error))?;
        Ok(Self { dir, bus })
    }

    /// The days that are here.
    pub(super) fn archive(&self) -> Archive {
        let settings = self.bus.settings();
        Archive::open_existing(days(&self.dir), settings.schema.clone(), settings.calendar.name())
    }

    /// Fetches a day from `place`; returns its file, and how the manifest describes it.
    pub(super) async fn fetch(&self, place: &Place, date: Date, day: &Day) -> Result<(PathBuf, Day), Failure> {
        let path = self.archive().path(date);
        match fetch_day(place, date, day, &path).await {
            Ok(day) => Ok((path, day)),
            Err(failure) => {
                let _ = std::fs::remove_file(&path);
                Err(failure)
            }
        }
    }
}

fn days(dir: &TempDir) -> PathBuf {
    dir.path().join("days")
}

/// Writes the small files of `manifest` that are wanted below `to`, each to disk.
pub(super) fn write_small_files(
    place: &Place,
    manifest: &Manifest,
    to: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, Failure> {
    let mut written = Vec::new();
    for (name, text) in manifest.files.iter().filter(|(name, _)| is_wanted(name)) {
        let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside || name.is_empty() {
            return Err(Failure::new(Kind::Unfit, format!("{}: its manifest names the file {name:?}", place.name)));
        }
        let path = to.join(name);
        let folder = path.parent().unwrap_or(to);
        std::fs::create_dir_all(folder).map_err(|error| cannot("create", folder, &error))?;
        let file = std::fs::write(&path, text).and_then(|()| std::fs::File::open(&path)?.sync_all());
        file.map_err(|error| cannot("write", &path, &error))?;
        written.push(path);
    }
    Ok(written)
}
