//! Which days the archive has, by the names of its files.

use std::fs::read_dir;
use std::io::ErrorKind;

use barbus_bars::Date;

use crate::bus::Bus;
use crate::error::{Error, Result};

impl Bus {
    /// The days that have a file in the archive, ascending. It reads the names of the files only.
    ///
    /// # Errors
    /// [`Error::Io`] if the archive's directory cannot be read. A missing directory has no days.
    pub fn archived_days(&self) -> Result<Vec<Date>> {
        let folder = self.archive();
        let entries = match read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(&folder, "read", error)),
        };
        let names = entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>();
        let names = names.map_err(|error| Error::io(&folder, "read", error))?;
        let mut days: Vec<Date> = names.iter().filter_map(|name| day_of_file(name.to_str()?)).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// How many parts the archive's work folder has.
    pub(crate) fn parts(&self) -> u64 {
        // Behind a symbolic link it is beside the link's target.
        let archive = self.archive();
        let archive = archive.canonicalize().unwrap_or(archive);
        let Some(name) = archive.file_name() else { return 0 };
        let mut work = name.to_owned();
        work.push(".work");
        let Ok(entries) = read_dir(archive.with_file_name(work)) else { return 0 };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        names.filter(|name| name.to_str().is_some_and(is_part)).count() as u64
    }
}

/// Whether `name` is `YYYY-MM-DD.N.parquet`.
fn is_part(name: &str) -> bool {
    let part = name.strip_suffix(".parquet").and_then(|name| name.split_once('.'));
    part.is_some_and(|(day, number)| day.parse::<Date>().is_ok() && number.parse::<u32>().is_ok())
}

/// The day of `YYYY-MM-DD.parquet`; `None` for other names.
fn day_of_file(name: &str) -> Option<Date> {
    let day = name.strip_suffix(".parquet")?;
    day.parse().ok().filter(|date: &Date| date.to_string() == day)
}

#[cfg(all(test, feature = "archive"))]
mod tests {
    use barbus_archive::Archive;
    use barbus_bars::BarSchema;

    use super::*;
    use crate::settings::InitOptions;

    #[test]
    fn the_days_are_those_of_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let options = InitOptions { calendar: "24x7".into(), ..InitOptions::default() };
        let bus = Bus::init(&folder.path().join("bus"), &options).unwrap();
        assert_eq!(bus.archived_days().unwrap(), []);
        let names = ["2024-07-05.parquet", "2024-07-04.parquet", "20240703.parquet", "2024-07-02.1.parquet"];
        for name in names.iter().chain(&["2024-02-30.parquet", "2024-07-01.tmp", "x.parquet", ".parquet"]) {
            std::fs::write(bus.archive().join(name), "").unwrap();
        }
        let days = bus.archived_days().unwrap();
        assert_eq!(days, [Date::constant(2024, 7, 4), Date::constant(2024, 7, 5)]);
        let archive = Archive::open_existing(bus.archive(), BarSchema::in_zone("UTC").unwrap(), "24x7");
        assert_eq!(archive.days().unwrap(), days);
        assert_eq!(bus.parts(), 0);
        let work = bus.path().join("archive/1m.work");
        std::fs::create_dir(&work).unwrap();
        for name in ["2024-07-04.1.parquet", "2024-07-04.12.parquet", "2024-07-04.parquet", ".2024-07-04.new.tmp"] {
            std::fs::write(work.join(name), "").unwrap();
        }
        assert_eq!(bus.parts(), 2);
        std::fs::remove_dir_all(bus.archive()).unwrap();
        assert_eq!(bus.archived_days().unwrap(), []);
    }
}
