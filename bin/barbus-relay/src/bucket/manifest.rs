//! The manifest: which days a place has, and whose they are. Its newest version is what holds.
//!
//! ```text
//! manifest/000000000012.json              version 12 of the manifest
//! 1m/2026-11-27.parquet                   a day, as a glob finds it
//! 1m.upload/2026-11-27-0123456789abcdef.parquet   the same on its way, named by its content
//! ```
//! A version is written once, and only if there is none of its number. So of two pushes at once one
//! fails, before it has changed a day.

use std::collections::BTreeMap;

use barbus::Date;
use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::digest::Content;
use super::failure::{Failure, Kind};

/// The version of the form that this build writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// The folder of the days.
pub(super) const DAYS: &str = "1m";
/// The folder of days on their way.
pub(super) const UPLOADS: &str = "1m.upload";
/// The folder of the manifest's versions.
pub(super) const MANIFESTS: &str = "manifest";

/// Digits of the content in the name of a day on its way.
const NAME_DIGITS: usize = 16;

/// The bus that pushes to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// The random name that the bus gave itself at its first push.
    pub(super) id: String,
    pub(super) host: String,
    /// The directory of the bus.
    pub(super) bus: String,
    /// Since when it pushes to the place.
    pub(super) since: Timestamp,
}

impl Owner {
    /// Whether both are the same bus at the same place.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.id, &self.host, &self.bus) == (&other.id, &other.host, &other.bus)
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "the bus {} of host {} (since {})", self.bus, self.host, self.since)
    }
}

/// A day in the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Day {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The lineage of the rows, and up to which number the file has them.
    pub(super) lineage: u64,
    pub(super) through_seq: u64,
    /// How often the day was pushed with other content.
    pub(super) version: u64,
    pub(super) pushed_at: Timestamp,
    /// The id of the bus that pushed this version.
    pub(super) by: String,
}

impl Day {
    pub(super) fn has(&self, content: &Content) -> bool {
        (self.bytes, &self.sha256) == (content.bytes, &content.sha256)
    }
}

/// What a place has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) number: u64,
    /// A random text of the push that wrote it.
    pub(super) token: String,
    pub(super) at: Timestamp,
    /// The version of the program that wrote it.
    pub(super) barbus: String,
    pub(super) owner: Owner,
    /// Days before this one were removed by retention, and are not pushed again.
    pub(super) pruned_before: Option<Date>,
    /// Days that retention has removed and whose objects may still be there.
    pub(super) removing: Vec<Date>,
    /// The small files of the bus that a restore needs, such as `bus.toml`, by their paths.
    pub(super) files: BTreeMap<String, String>,
    pub(super) days: BTreeMap<Date, Day>,
}

impl Manifest {
    /// Version 1 of a new place.
    pub(super) fn first(owner: Owner) -> Self {
        Self {
            format: FORMAT,
            number: 1,
            token: String::new(),
            at: Timestamp::now(),
            barbus: env!("CARGO_PKG_VERSION").to_owned(),
            owner,
            pruned_before: None,
            removing: Vec::new(),
            files: BTreeMap::new(),
            days: BTreeMap::new(),
        }
    }

    /// The version after this one.
    pub(super) fn next(&self) -> Self {
        let barbus = env!("CARGO_PKG_VERSION").to_owned();
        Self { number: self.number + 1, at: Timestamp::now(), barbus, format: FORMAT, ..self.clone() }
    }

    /// Reads a version.
    pub(super) fn parse(place: &str, text: &[u8]) -> Result<Self, Failure> {
        // The format first: another one may have other fields.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |error: serde_json::Error| {
            let what = format!("{place}: not a manifest of barbus, or damaged: {error}: name the prefix of a push");
            Failure::new(Kind::Unfit, what)
        };
        let Version { format } = serde_json::from_slice(text).map_err(damaged)?;
        if format != FORMAT {
            let what = format!("{place}: a manifest of format {format}, this program reads {FORMAT}: use its barbus");
            return Err(Failure::new(Kind::Unfit, what));
        }
        serde_json::from_slice(text).map_err(damaged)
    }

    /// The size of all days.
    pub(super) fn bytes(&self) -> u64 {
        self.days.values().map(|day| day.bytes).sum()
    }
}

/// The object of a version.
pub(super) fn manifest_object(number: u64) -> Path {
    Path::from(format!("{MANIFESTS}/{number:012}.json"))
}

/// The number of a version by the last part of its name.
pub(super) fn manifest_number(object: &Path) -> Option<u64> {
    object.filename()?.strip_suffix(".json")?.parse().ok()
}

/// The object of a day.
pub(super) fn day_object(day: Date) -> Path {
    Path::from(format!("{DAYS}/{day}.parquet"))
}

/// The day of an object in the folder of the days.
pub(super) fn day_of_object(object: &Path) -> Option<Date> {
    let name = object.filename()?;
    let day: Date = name.strip_suffix(".parquet")?.parse().ok()?;
    (object == &day_object(day)).then_some(day)
}

/// The object of a day on its way.
pub(super) fn upload_object(day: Date, sha256: &str) -> Path {
    Path::from(format!("{UPLOADS}/{day}-{}.parquet", sha256.get(..NAME_DIGITS).unwrap_or(sha256)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let owner = Owner { id: "1f".into(), host: "a".into(), bus: "/b".into(), since: Timestamp::UNIX_EPOCH };
        let mut manifest = Manifest::first(owner);
        let day = Day {
            rows: 3,
            bytes: 4,
            sha256: "ab".repeat(32),
            lineage: u64::MAX,
            through_seq: 9,
            version: 2,
            pushed_at: Timestamp::UNIX_EPOCH,
            by: "1f".into(),
        };
        manifest.days.insert(Date::constant(2026, 11, 27), day);
        manifest.files.insert("bus.toml".into(), "calendar = \"24x7\"\n".into());
        manifest
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_nothing_else_is() {
        let manifest = manifest().next();
        let text = serde_json::to_vec_pretty(&manifest).unwrap();
        assert_eq!(Manifest::parse("p", &text).unwrap(), manifest);
        let cut = Manifest::parse("p", &text[..text.len() - 2]).unwrap_err();
        assert!(cut.to_string().starts_with("p: not a manifest of barbus, or damaged"), "{cut}");
        let newer = String::from_utf8(text).unwrap().replace("\"format\": 1", "\"format\": 2");
        let newer = Manifest::parse("p", newer.as_bytes()).unwrap_err();
        assert_eq!(newer.to_string(), "p: a manifest of format 2, this program reads 1: use its barbus");
    }

    #[test]
    fn names_are_told_from_others() {
        let day = Date::constant(2026, 11, 27);
        assert_eq!(day_object(day).as_ref(), "1m/2026-11-27.parquet");
        assert_eq!(day_of_object(&day_object(day)), Some(day));
        assert_eq!(upload_object(day, &"ab".repeat(32)).as_ref(), "1m.upload/2026-11-27-abababababababab.parquet");
        for other in ["1m/x.parquet", "1m/2026-11-27.csv", "1m/2026-11-27-1.parquet", "1m/a/2026-11-27.parquet"] {
            assert_eq!(day_of_object(&Path::from(other)), None, "{other}");
        }
        assert_eq!(manifest_object(12).as_ref(), "manifest/000000000012.json");
        assert_eq!(manifest_number(&manifest_object(12)), Some(12));
        assert_eq!(manifest_number(&Path::from("manifest/x.json")), None);
    }
}
