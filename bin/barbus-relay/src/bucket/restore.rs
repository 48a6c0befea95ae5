//! `barbus archive restore`: a new bus from a place.

use std::path::{Path, PathBuf};

use barbus::Bus;
use barbus::internal::{create_folders, create_readers_folder};
use barbus_archive::{Archive, work_dir};
use clap::Args;
use serde_json::json;

use super::failure::{Failure, Kind};
use super::identity::cannot;
use super::manifest::Manifest;
use super::output::{ReportFormat, bytes, count, print};
use super::place::{Place, PlaceUrl, ServiceFlags};
use super::scratch::{Scratch, write_small_files};
use super::versions;

/// The file that makes a directory a bus; it is written last.
const SETTINGS: &str = "bus.toml";

/// Make a new bus of the days and the settings in a bucket.
///
/// Every file is checked. The bars of the open day are not in the bucket: barbus backup has them.
/// To push from the new bus to the same prefix, take it over with push --take-over.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The bucket and the prefix, or a folder.
    place: PlaceUrl,
    /// The bus; it must be missing or empty.
    bus: PathBuf,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    service: ServiceFlags,
}

impl RestoreArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let place = Place::open(&self.place, &self.service, false)?;
        let manifest = versions::existing(&place).await?;
        let scratch = Scratch::new(&place, &manifest)?;
        check_places(&self.bus, &scratch.bus)?;
        let mut made = Made::default();
        let restored = restore(&place, &manifest, &scratch, &self.bus, &mut made).await;
        restored.inspect_err(|_| made.remove())?;
        let (days, size) = (manifest.days.len(), manifest.bytes());
        let path = self.bus.display().to_string();
        let lines = [
            format!("restored {path}: {}, {}", count(days, "day"), bytes(size)),
            format!("from {} (manifest {}), pushed by {}", place.name, manifest.number, manifest.owner),
            format!("next: barbusd {path}"),
        ];
        Ok(print(self.format, &json!({"bus": path, "days": days, "bytes": size}), &lines)?)
    }
}

/// Refuses places that have files already.
fn check_places(root: &Path, settings: &Bus) -> Result<(), Failure> {
    let refused = |path: &Path, what: String| Err(Failure::new(Kind::Unfit, format!("{}: {what}", path.display())));
    if has_files(root)? {
        return refused(root, "it is not empty: restore to a directory that is empty or missing".into());
    }
    let days = root.join(&settings.settings().archive_path);
    for place in [&days, &work_dir(&days)] {
        if has_files(place)? {
            return refused(place, format!("it has files, and archive.path of {SETTINGS} names it: move them away"));
        }
    }
    let ring = root.join(&settings.settings().ring_path);
    if ring.symlink_metadata().is_ok() {
        return refused(&ring, format!("this ring exists, and ring.path of {SETTINGS} names it: move it away"));
    }
    Ok(())
}

fn has_files(folder: &Path) -> Result<bool, Failure> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot("read", folder, &error)),
    }
}

/// What a restore has made, to be removed if it fails.
#[derive(Default)]
struct Made {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    fn create(&mut self, folder: &Path) -> Result<(), Failure> {
        let missing: Vec<PathBuf> =
            folder.ancestors().take_while(|above| !above.exists()).map(Path::to_owned).collect();
        create_folders(folder).map_err(|error| cannot("create", folder, &error))?;
        self.folders.extend(missing.into_iter().rev());
        Ok(())
    }

    fn remove(&self) {
        self.files.iter().for_each(|file| drop(std::fs::remove_file(file)));
        self.folders.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
}

async fn restore(
    place: &Place,
    manifest: &Manifest,
    scratch: &Scratch,
    root: &Path,
    made: &mut Made,
) -> Result<(), Failure> {
    let settings = scratch.bus.settings();
    let days = root.join(&settings.archive_path);
    for folder in [root, &days, &work_dir(&days), &root.join("quarantine")] {
        made.create(folder)?;
    }
    let readers = root.join("readers");
    create_readers_folder(&readers).map_err(|error| cannot("create", &readers, &error))?;
    made.folders.push(readers);
    if manifest.files.keys().any(|name| name.starts_with("calendar.d/")) {
        made.create(&root.join("calendar.d"))?;
    }
    made.files.extend(manifest.files.keys().filter(|name| *name != SETTINGS).map(|name| root.join(name)));
    write_small_files(place, manifest, root, |name| name != SETTINGS)?;
    let archive = Archive::open(&days, settings.schema.clone(), settings.calendar.name())?;
    for (date, day) in &manifest.days {
        let (path, _) = scratch.fetch(place, *date, day).await?;
        made.files.push(archive.path(*date));
        archive.adopt(*date, &path)?;
        let _ = std::fs::remove_file(&path);
    }
    // Without its settings the directory is no bus, and no daemon starts on the half of it.
    let (unfinished, path) = (root.join("bus.toml.new"), root.join(SETTINGS));
    made.files.extend([unfinished.clone(), path.clone()]);
    let sync = |path: &Path| std::fs::File::open(path)?.sync_all();
    let written = std::fs::write(&unfinished, &manifest.files[SETTINGS])
        .and_then(|()| sync(&unfinished))
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .and_then(|()| sync(root));
    written.map_err(|error| cannot("write", &path, &error))
}
