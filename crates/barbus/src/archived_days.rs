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
        std::fs::remove_dir_all(bus.archive()).unwrap();
        assert_eq!(bus.archived_days().unwrap(), []);
    }
}
