//! `barbus archive verify`: a place against its manifest, and against the archive of a bus.

use std::collections::BTreeMap;
use std::path::PathBuf;

use barbus::{Bus, Date};
use clap::Args;
use serde_json::json;

use super::failure::{Failure, Kind};
use super::local;
use super::manifest::{DAYS, Manifest, UPLOADS, day_object, day_of_object};
use super::output::{ReportFormat, bytes, count, fail_with, print};
use super::place::{Place, PlaceUrl, ServiceFlags};
use super::scratch::Scratch;
use super::versions;

/// Check every day of a bucket: its SHA-256, its checksums, every value and the order of its rows.
///
/// The exit code is 1 if there is a problem. With --bus the archive of the bus is compared as well:
/// each day of it should be in the bucket, and the same.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The bucket and the prefix, or a folder.
    place: PlaceUrl,
    /// Compare with the archive of this bus.
    #[arg(long, value_name = "BUS")]
    bus: Option<PathBuf>,
    /// Compare sizes only, and fetch no day.
    #[arg(long)]
    quick: bool,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    service: ServiceFlags,
}

impl VerifyArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let place = Place::open(&self.place, &self.service, false)?;
        let manifest = versions::existing(&place).await?;
        let mut problems = check_objects(&place, &manifest).await?;
        let mut interrupted = 0;
        for found in versions::list_folder(&place, UPLOADS).await? {
            interrupted += usize::from(found.size > 0);
        }
        if !self.quick {
            problems.extend(check_contents(&place, &manifest).await?);
        }
        let mut only_here = 0;
        if let Some(bus) = &self.bus {
            let bus = Bus::open(bus)?;
            let (found, missing) = compare(&bus, &place, &manifest)?;
            problems.extend(found);
            only_here = missing;
        }
        let how = if self.quick { "by size" } else { "in full" };
        let mut lines = vec![format!(
            "{}: {}, {}, checked {how}: {}",
            place.name,
            count(manifest.days.len(), "day"),
            bytes(manifest.bytes()),
            count(problems.len(), "problem")
        )];
        if interrupted > 0 {
            lines.push(format!("{} of an interrupted push: the next push goes on", count(interrupted, "upload")));
        }
        if only_here > 0 {
            lines.push(format!("{} in the bucket only", count(only_here, "day")));
        }
        let report = json!({
            "good": problems.is_empty(),
            "days": manifest.days.len(),
            "manifest": manifest.number,
            "interrupted_uploads": interrupted,
            "only_in_bucket": only_here,
            "problems": problems,
        });
        print(self.format, &report, &lines)?;
        fail_with(&place.name, &problems)
    }
}

/// Compares the objects of the days with the manifest by name and size.
async fn check_objects(place: &Place, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let mut sizes = BTreeMap::new();
    let mut problems = Vec::new();
    for found in versions::list_folder(place, DAYS).await? {
        match day_of_object(&found.location) {
            Some(date) if manifest.days.contains_key(&date) => drop(sizes.insert(date, found.size)),
            // A glob of `1m/*.parquet` reads it.
            _ if found.location.extension() == Some("parquet") => problems.push(format!(
                "{}: the manifest does not name it, but readers of all files do read it: remove it",
                place.of(&found.location)
            )),
            _ => {}
        }
    }
    for (date, day) in &manifest.days {
        let what = match sizes.get(date) {
            Some(size) if *size == day.bytes => continue,
            Some(size) => format!("it has {size} bytes, and the manifest names {}", day.bytes),
            None => "it is missing".to_owned(),
        };
        problems.push(format!("{}: {what}: push again", place.of(&day_object(*date))));
    }
    Ok(problems)
}

/// Reads every day in full.
async fn check_contents(place: &Place, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let scratch = Scratch::new(place, manifest)?;
    let mut problems = Vec::new();
    for (date, day) in &manifest.days {
        let (path, day) = match scratch.fetch(place, *date, day).await {
            Ok(found) => found,
            Err(failure) if failure.kind == Kind::Unfit => {
                problems.push(failure.to_string());
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let object = place.of(&day_object(*date));
        match scratch.archive().read(*date) {
            Ok(Some((meta, _))) if meta.rows == day.rows => {}
            Ok(found) => {
                let rows = found.map_or(0, |(meta, _)| meta.rows);
                problems.push(format!("{object}: it has {rows} rows, and the manifest names {}", day.rows));
            }
            // The path is that of the temporary copy.
            Err(error) => {
                problems
                    .push(format!("{object}: {}", error.to_string().replace(&path.display().to_string(), "its file")));
            }
        }
        let _ = std::fs::remove_file(&path);
    }
    Ok(problems)
}

/// Compares the archive of `bus` with the manifest. Returns the problems, and the number of days
/// that only the place has.
fn compare(bus: &Bus, place: &Place, manifest: &Manifest) -> Result<(Vec<String>, usize), Failure> {
    let archive = bus.open_archive();
    let local = local::days(bus)?;
    let mut problems = Vec::new();
    for date in local.keys() {
        let path = archive.path(*date);
        let file = path.display();
        let object = place.of(&day_object(*date));
        match manifest.days.get(date) {
            Some(day) => match local::content(&path)? {
                Some(content) if !day.has(&content) => {
                    problems.push(format!("{file} differs from {object}: push again, which decides or says why"));
                }
                _ => {}
            },
            None if manifest.pruned_before.is_some_and(|first| *date < first) => {}
            None => problems.push(format!("{file}: it is not in {}: push again", place.name)),
        }
    }
    let is_missing = |date: &&Date| !local.contains_key(date);
    Ok((problems, manifest.days.keys().filter(is_missing).count()))
}
