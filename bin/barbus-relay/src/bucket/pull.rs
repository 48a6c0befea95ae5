//! `barbus archive pull`: days from a place that a bus or a folder lacks.

use std::path::{Path, PathBuf};

use barbus::{Bus, Date, RemovedDay};
use barbus_writer::IdleArchive;
use clap::Args;
use serde_json::json;

use super::digest::Content;
use super::failure::{Failure, Kind};
use super::identity::cannot;
use super::local;
use super::manifest::{Day, Manifest, day_object};
use super::output::{ReportFormat, bytes, count, fail_with, print};
use super::place::{Place, PlaceUrl, ServiceFlags};
use super::scratch::Scratch;
use super::transfer::fetch_day;
use super::versions;

/// Copy days from a bucket that a bus, or a folder, does not have.
///
/// A day that is there with other bars is never changed: the command names both files, goes on with
/// the other days, and exits with 1. A bus must have no daemon meanwhile.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// The bucket and the prefix, or a folder.
    place: PlaceUrl,
    /// A bus, which gets the days in its archive; or a folder, which is created if it is missing.
    to: PathBuf,
    /// The first day.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// The last day.
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Also days that archive.keep of the bus has removed. The daemon removes them again.
    #[arg(long)]
    removed: bool,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    service: ServiceFlags,
}

impl PullArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let place = Place::open(&self.place, &self.service, false)?;
        let manifest = versions::existing(&place).await?;
        let target = Target::open(&self.to, &place, &manifest)?;
        let left_out = if self.removed { Vec::new() } else { target.removed_days()? };
        let is_wanted =
            |date: &Date| self.from.is_none_or(|from| *date >= from) && self.until.is_none_or(|until| *date <= until);
        let (mut pulled, mut size, mut present, mut skipped) = (Vec::new(), 0, 0usize, 0usize);
        let mut problems = Vec::new();
        for (date, day) in manifest.days.iter().filter(|(date, _)| is_wanted(date)) {
            match local::content(&target.path(*date))? {
                Some(content) if day.has(&content) => present += 1,
                Some(content) => problems.push(differs(&target.path(*date), &content, &place, *date, day)),
                None if left_out.contains(date) => skipped += 1,
                None => match target.pull(&place, *date, day).await {
                    Ok(day) => {
                        size += day.bytes;
                        pulled.push(*date);
                    }
                    Err(failure) if failure.kind == Kind::Unfit => problems.push(failure.to_string()),
                    Err(failure) => return Err(failure.into()),
                },
            }
        }
        let mut lines = vec![format!(
            "pulled {}, {}: {} there already, {}",
            count(pulled.len(), "day"),
            bytes(size),
            count(present, "day"),
            count(problems.len(), "problem")
        )];
        if skipped > 0 {
            let number = count(skipped, "day");
            lines.push(format!("left out {number} that archive.keep of the bus has removed: --removed takes them"));
        }
        let report = json!({"pulled": pulled, "bytes": size, "present": present, "left_out": skipped,
            "problems": problems});
        print(self.format, &report, &lines)?;
        fail_with(&self.to.display().to_string(), &problems)
    }
}

/// The message about a day that is there with other bars.
fn differs(file: &Path, content: &Content, place: &Place, date: Date, day: &Day) -> String {
    format!(
        "{} ({} bytes, SHA-256 {}) differs from {} ({} bytes, SHA-256 {}, pushed at {}): neither was changed: compare \
         the two; to take the bucket's, move the file away and pull again; to keep the file, push with --replace {date}",
        file.display(),
        content.bytes,
        content.sha256,
        place.of(&day_object(date)),
        day.bytes,
        day.sha256,
        day.pushed_at
    )
}

/// A bus that gets days, and a folder for those on their way.
struct BusTarget {
    bus: Bus,
    archive: IdleArchive,
    scratch: Scratch,
}

/// Where days go.
enum Target {
    Bus(Box<BusTarget>),
    Folder(PathBuf),
}

impl Target {
    fn open(to: &Path, place: &Place, manifest: &Manifest) -> Result<Self, Failure> {
        if to.join("bus.toml").exists() {
            let bus = Bus::open(to)?;
            let archive = IdleArchive::open(&bus)?;
            let scratch = Scratch::new(place, manifest)?;
            return Ok(Self::Bus(Box::new(BusTarget { bus, archive, scratch })));
        }
        std::fs::create_dir_all(to).map_err(|error| cannot("create", to, &error))?;
        Ok(Self::Folder(to.to_owned()))
    }

    /// The file of a day.
    fn path(&self, date: Date) -> PathBuf {
        match self {
            Self::Bus(target) => target.bus.open_archive().path(date),
            Self::Folder(folder) => folder.join(format!("{date}.parquet")),
        }
    }

    /// The days that retention has removed from a bus.
    fn removed_days(&self) -> Result<Vec<Date>, Failure> {
        match self {
            Self::Bus(target) => Ok(RemovedDay::load(&target.bus)?.into_iter().map(|removed| removed.day).collect()),
            Self::Folder(_) => Ok(Vec::new()),
        }
    }

    /// Fetches a day that is not there, and puts it in place, whole or not at all.
    async fn pull(&self, place: &Place, date: Date, day: &Day) -> Result<Day, Failure> {
        match self {
            Self::Bus(target) => {
                let (path, day) = target.scratch.fetch(place, date, day).await?;
                let adopted = target.archive.adopt(date, &path);
                let _ = std::fs::remove_file(&path);
                adopted.map_err(|error| {
                    Failure::new(Kind::Unfit, format!("{}: not pulled: {error}", place.of(&day_object(date))))
                })?;
                Ok(day)
            }
            Self::Folder(folder) => {
                let unfinished = folder.join(format!(".{date}.parquet.new"));
                let fetched = fetch_day(place, date, day, &unfinished).await.inspect_err(|_| {
                    let _ = std::fs::remove_file(&unfinished);
                })?;
                self.commit(folder, &unfinished, date)?;
                Ok(fetched)
            }
        }
    }

    fn commit(&self, folder: &Path, unfinished: &Path, date: Date) -> Result<(), Failure> {
        barbus_archive::check_file(unfinished)?;
        let path = self.path(date);
        let sync = |path: &Path| std::fs::File::open(path)?.sync_all();
        // A link, unlike a rename, replaces no file that came meanwhile.
        let committed = sync(unfinished)
            .and_then(|()| std::fs::hard_link(unfinished, &path))
            .and_then(|()| std::fs::remove_file(unfinished))
            .and_then(|()| sync(folder));
        committed.map_err(|error| cannot("write", &path, &error))
    }
}
