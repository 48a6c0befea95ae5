//! `bus.toml`: every setting of a bus, defined once, with its default and what it means.
//!
//! An unknown key is refused with the nearest known one; a missing one has its default. Paths are relative to the bus.

use std::path::{Path, PathBuf};
use std::time::Duration;

use barbus_bars::{BarSchema, Calendar, CalendarSpec, Label, PriceType, Rules};
use serde::Deserialize;

use crate::ack::AckMode;
use crate::error::nearest;
use crate::{Error, Result};

/// A setting as it stands in a new `bus.toml`: commented out, with its default.
struct Setting {
    section: &'static str,
    key: &'static str,
    default: &'static str,
    doc: &'static [&'static str],
}

const fn setting(
    section: &'static str,
    key: &'static str,
    default: &'static str,
    doc: &'static [&'static str],
) -> Setting {
    Setting { section, key, default, doc }
}

const SETTINGS: &[Setting] = &[
    setting(
        "bars",
        "preset",
        "\"default\"",
        &["Columns of the bars: \"default\", or \"zillionare\" (float32 prices, money and factor, Asia/Shanghai)."],
    ),
    setting("bars", "price", "\"float64\"", &["Type of open, high, low and close: \"float64\" or \"float32\"."]),
    setting("bars", "optional", "[\"money\", \"factor\"]", &["Optional float64 columns, at most six."]),
    setting("bars", "zone", "\"\"", &["IANA zone that frames are shown in; empty: the calendar's."]),
    setting(
        "bars",
        "label",
        "\"end\"",
        &["What a producer's frame marks unless it says so itself: the \"start\" or the \"end\" of the bar."],
    ),
    setting("bars", "high_low", "true", &["Quarantine bars with high < max(open, close) or low > min(open, close)."]),
    setting(
        "days",
        "grace",
        "\"5m\"",
        &[
            "A trading day closes by itself so long after its last session's end, and after the last bar that came for it.",
        ],
    ),
    setting(
        "ring",
        "path",
        "\"bars.ring\"",
        &["The ring file; on a tmpfs, such as /dev/shm, it does not survive a reboot."],
    ),
    setting("ring", "size", "\"256MB\"", &["Size of the ring file; taken when it is created."]),
    setting("ring", "rows_per_block", "16384", &["Rows of a block, a multiple of 64; taken when the ring is created."]),
    setting("ring", "symbols", "8192", &["Symbols that the ring has room for; taken when it is created."]),
    setting("ring", "tip_rows", "8192", &["Rows of the tip, a power of two; taken when the ring is created."]),
    setting("ring", "sync", "\"1s\"", &["How often the ring is put on disk: what a loss of power may cost at most."]),
    setting("ingest", "socket", "\"ingest.sock\"", &["The socket that producers connect to."]),
    setting("ingest", "max_message", "\"256MB\"", &["Longest message that a producer may send."]),
    setting(
        "ingest",
        "ack",
        "\"commit\"",
        &[
            "When a bar is acknowledged unless the producer says so itself: at its \"commit\", or when it is \"durable\", on disk.",
        ],
    ),
    setting(
        "ingest",
        "allow_users",
        "[]",
        &[
            "Who may use the socket, names or numbers: users, and below them groups. Both empty: whom the socket's mode lets in.",
            "The daemon's own user and root always may.",
        ],
    ),
    setting("ingest", "allow_groups", "[]", &["Groups whose members may use the socket."]),
    setting("archive", "path", "\"archive/1m\"", &["The directory of the Parquet files, one for each trading day."]),
    setting(
        "archive",
        "late",
        "\"5s\"",
        &["How long bars for a closed day are gathered before its file is rewritten."],
    ),
    setting(
        "archive",
        "spill",
        "\"1m\"",
        &["For a ring on a tmpfs: how often the open day's bars are put on disk, what a reboot may cost at most."],
    ),
    setting(
        "readers",
        "positions",
        "true",
        &["Whether readers keep their positions in readers/, where `barbus readers` and the daemon see them."],
    ),
    setting(
        "readers",
        "warn_lag",
        "\"75%\"",
        &["The daemon warns when so much of the ring lies between a reader and the newest bar."],
    ),
    setting("readers", "warn_pins", "\"5m\"", &["The daemon warns when a reader has held a block for so long."]),
];

const SECTIONS: &[(&str, &str)] = &[
    ("bars", "What a bar is, and which ones are taken."),
    ("days", "Trading days."),
    ("ring", "The shared-memory ring."),
    ("ingest", "What producers send."),
    ("archive", "Closed days as Parquet."),
    ("readers", "Who reads, and who is warned about."),
];

/// A user or a group, as `bus.toml` names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Account {
    /// By its number.
    Id(u32),
    /// By its name.
    Name(String),
}

/// The settings of a bus.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Which trading day a bar belongs to.
    pub calendar: Calendar,
    /// The columns of a bar.
    pub schema: BarSchema,
    /// What a producer's frame marks unless it says so itself.
    pub label: Label,
    /// Rules that a bar must keep.
    pub rules: Rules,
    /// How long after its last session, and its last bar, a day closes by itself.
    pub grace: Duration,
    /// The ring file, relative to the bus.
    pub ring_path: PathBuf,
    /// Size of a new ring file, bytes.
    pub ring_bytes: u64,
    /// Rows of a block in a new ring.
    pub rows_per_block: u32,
    /// Symbols that a new ring has room for.
    pub symbols: u32,
    /// Rows of a new ring's tip.
    pub tip_rows: u32,
    /// How often the ring is put on disk.
    pub sync: Duration,
    /// The socket that producers connect to, relative to the bus.
    pub socket: PathBuf,
    /// Longest message that a producer may send, bytes.
    pub max_message_bytes: u64,
    /// When a bar is acknowledged unless the producer says so itself.
    pub ack: AckMode,
    /// Users who may use the socket; with `allow_groups` empty too: everybody whom the socket's mode lets in.
    pub allow_users: Vec<Account>,
    /// Groups whose members may use the socket.
    pub allow_groups: Vec<Account>,
    /// Directory of the archive, relative to the bus.
    pub archive_path: PathBuf,
    /// How long bars for a closed day are gathered before its file is rewritten.
    pub late: Duration,
    /// How often the open day's bars are put on disk where the ring is on a tmpfs.
    pub spill: Duration,
    /// Whether readers keep their positions where others see them.
    pub positions: bool,
    /// The part of the ring, from 0 to 1, between a reader and the newest bar from which on the daemon warns.
    pub warn_lag: f64,
    /// How long a reader may hold a block before the daemon warns.
    pub warn_pins: Duration,
}

/// What a new bus is to be.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// A calendar preset, see [`barbus_bars::PRESETS`].
    pub calendar: String,
    /// A preset of columns: `default` or `zillionare`.
    pub preset: Option<String>,
}

/// The text of a new `bus.toml`.
pub(crate) fn template(options: &InitOptions) -> String {
    let mut text = String::from(
        "# Settings of this bus. A line that begins with '#' shows a default; remove the '#' to change it.\n\
         # The daemon reads this file when it starts.\n\n\
         # The market's calendar: which trading day a bar belongs to. One of:\n",
    );
    for (name, what) in barbus_bars::PRESETS {
        text += &format!("#   {name:<12} {what}\n");
    }
    text += "# or a [calendar] table that spells it out: zone, sessions, day_starts, weekend, holidays, half_days.\n";
    text += &format!("calendar = {:?}\n", options.calendar);
    for (section, what) in SECTIONS {
        text += &format!("\n# {what}\n[{section}]\n");
        for setting in SETTINGS.iter().filter(|setting| setting.section == *section) {
            for line in setting.doc {
                text += &format!("# {line}\n");
            }
            match (setting.key, &options.preset) {
                ("preset", Some(preset)) => text += &format!("preset = {preset:?}\n"),
                _ => text += &format!("# {} = {}\n", setting.key, setting.default),
            }
        }
    }
    text
}

#[derive(Debug, Deserialize)]
struct Raw {
    calendar: toml::Value,
    #[serde(default)]
    bars: RawBars,
    #[serde(default)]
    days: RawDays,
    #[serde(default)]
    ring: RawRing,
    #[serde(default)]
    ingest: RawIngest,
    #[serde(default)]
    archive: RawArchive,
    #[serde(default)]
    readers: RawReaders,
}

#[derive(Debug, Default, Deserialize)]
struct RawBars {
    preset: Option<String>,
    price: Option<PriceType>,
    optional: Option<Vec<String>>,
    zone: Option<String>,
    label: Option<Label>,
    high_low: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct RawDays {
    grace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawRing {
    path: Option<PathBuf>,
    size: Option<String>,
    rows_per_block: Option<u32>,
    symbols: Option<u32>,
    tip_rows: Option<u32>,
    sync: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawIngest {
    socket: Option<PathBuf>,
    max_message: Option<String>,
    ack: Option<AckMode>,
    #[serde(default)]
    allow_users: Vec<Account>,
    #[serde(default)]
    allow_groups: Vec<Account>,
}

#[derive(Debug, Default, Deserialize)]
struct RawArchive {
    path: Option<PathBuf>,
    late: Option<String>,
    spill: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawReaders {
    positions: Option<bool>,
    warn_lag: Option<String>,
    warn_pins: Option<String>,
}

impl Settings {
    /// Reads the text of a `bus.toml`; `path` is for the messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |what: String| Error::Settings { path: path.to_owned(), what };
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| wrong(syntax(text, &e)))?;
        check_keys(&table).map_err(wrong)?;
        if !table.contains_key("calendar") {
            return Err(wrong("no calendar: say which, such as calendar = \"XSHG\"".into()));
        }
        let raw: Raw = toml::from_str(text).map_err(|e| wrong(syntax(text, &e)))?;
        let calendar = match raw.calendar {
            toml::Value::String(name) => Calendar::preset(&name),
            other => other
                .try_into::<CalendarSpec>()
                .map_err(|e| wrong(format!("calendar: {}", e.message())))?
                .pipe(Calendar::from_spec),
        }
        .map_err(|e| wrong(e.to_string()))?;
        let schema = schema(&raw.bars, &calendar).map_err(wrong)?;
        let duration = |key: &str, text: Option<String>, default: &str| {
            let text = text.unwrap_or_else(|| default.to_owned());
            let parsed: Option<jiff::SignedDuration> = text.parse().ok();
            parsed
                .and_then(|d| Duration::try_from(d).ok())
                .ok_or_else(|| wrong(format!("{key}: {text:?} is not a time such as \"5s\" or \"2m\"")))
        };
        let size = |key: &str, text: Option<String>, default: &str| {
            let text = text.unwrap_or_else(|| default.to_owned());
            let parsed = text.parse::<bytesize::ByteSize>();
            parsed.map(|size| size.0).map_err(|_| wrong(format!("{key}: {text:?} is not a size such as \"256MB\"")))
        };
        Ok(Self {
            calendar,
            schema,
            label: raw.bars.label.unwrap_or_default(),
            rules: Rules { high_low: raw.bars.high_low.unwrap_or(true) },
            grace: duration("days.grace", raw.days.grace, "5m")?,
            ring_path: raw.ring.path.unwrap_or_else(|| "bars.ring".into()),
            ring_bytes: size("ring.size", raw.ring.size, "256MB")?,
            rows_per_block: raw.ring.rows_per_block.unwrap_or(16_384),
            symbols: raw.ring.symbols.unwrap_or(8_192),
            tip_rows: raw.ring.tip_rows.unwrap_or(8_192),
            sync: duration("ring.sync", raw.ring.sync, "1s")?,
            socket: raw.ingest.socket.unwrap_or_else(|| "ingest.sock".into()),
            max_message_bytes: size("ingest.max_message", raw.ingest.max_message, "256MB")?,
            ack: raw.ingest.ack.unwrap_or_default(),
            allow_users: raw.ingest.allow_users,
            allow_groups: raw.ingest.allow_groups,
            archive_path: raw.archive.path.unwrap_or_else(|| "archive/1m".into()),
            late: duration("archive.late", raw.archive.late, "5s")?,
            spill: duration("archive.spill", raw.archive.spill, "1m")?,
            positions: raw.readers.positions.unwrap_or(true),
            warn_lag: share(raw.readers.warn_lag.as_deref().unwrap_or("75%"))
                .map_err(|text| wrong(format!("readers.warn_lag: {text:?} is not a share such as \"75%\"")))?,
            warn_pins: duration("readers.warn_pins", raw.readers.warn_pins, "5m")?,
        })
    }
}

/// A part of the whole, from 0 to 1, from more than `0%` up to `100%`.
fn share(text: &str) -> Result<f64, &str> {
    let percent: Option<f64> = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
    percent.filter(|percent| *percent > 0.0 && *percent <= 100.0).map(|percent| percent / 100.0).ok_or(text)
}

trait Pipe: Sized {
    fn pipe<T>(self, then: impl FnOnce(Self) -> T) -> T {
        then(self)
    }
}
impl Pipe for CalendarSpec {}

fn schema(bars: &RawBars, calendar: &Calendar) -> Result<BarSchema, String> {
    let preset = match bars.preset.as_deref().unwrap_or("default") {
        "default" => BarSchema::in_zone(calendar.zone_name()).map_err(|e| e.to_string())?,
        "zillionare" => BarSchema::zillionare(),
        other => {
            return Err(format!("bars.preset: unknown preset {other:?}: there are \"default\" and \"zillionare\""));
        }
    };
    let zone = bars.zone.as_deref().filter(|zone| !zone.is_empty()).unwrap_or(preset.zone());
    let price = bars.price.unwrap_or(preset.price());
    let optional = bars.optional.as_deref().unwrap_or(preset.optional());
    BarSchema::new(zone, price, optional.iter().cloned()).map_err(|e| format!("bars: {e}"))
}

/// The first key that is not known, with the nearest that is.
fn check_keys(table: &toml::Table) -> Result<(), String> {
    let unknown = |key: &str, place: &str, nearest: Option<String>| {
        let hint = nearest.map_or(String::new(), |nearest| format!(": did you mean {nearest:?}?"));
        Err(format!("unknown key {key:?}{place}{hint}"))
    };
    for (key, value) in table {
        if key == "calendar" {
            continue;
        }
        let sections = SECTIONS.iter().map(|(name, _)| *name);
        if !SECTIONS.iter().any(|(name, _)| name == key) {
            return unknown(key, "", nearest(key, sections.chain(["calendar"])));
        }
        let Some(section) = value.as_table() else { return Err(format!("{key} must be a table: [{key}]")) };
        for inner in section.keys() {
            let known = || SETTINGS.iter().filter(|setting| setting.section == key).map(|setting| setting.key);
            if !known().any(|name| name == inner) {
                return unknown(inner, &format!(" in [{key}]"), nearest(inner, known()));
            }
        }
    }
    Ok(())
}

/// A parser's message with the line it is about.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    line.map_or(message.clone(), |line| format!("line {line}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, Path::new("bus.toml"))
    }

    #[test]
    fn the_template_shows_the_defaults() {
        let text = template(&InitOptions { calendar: "XSHG".into(), preset: None });
        let plain = parse(&text).unwrap();
        let uncommented: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if SETTINGS.iter().any(|s| rest.starts_with(&format!("{} = ", s.key))) => rest,
                _ => line,
            })
            .map(|line| format!("{line}\n"))
            .collect();
        assert_ne!(text, uncommented);
        assert_eq!(format!("{plain:?}"), format!("{:?}", parse(&uncommented).unwrap()));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_nearest_right() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(message("calender = \"XSHG\""), "bus.toml: unknown key \"calender\": did you mean \"calendar\"?");
        let text = "calendar = \"XSHG\"\n[ring]\nsise = \"1MB\"";
        assert_eq!(message(text), "bus.toml: unknown key \"sise\" in [ring]: did you mean \"size\"?");
        assert!(message("calendar = \"XSHH\"").contains("XSHG"));
        assert!(message("").contains("no calendar"));
        assert!(message("calendar = \"24x7\"\n[ring]\nsize = \"big\"").contains("ring.size: \"big\""));
        assert!(message("calendar = \"24x7\"\n[days]\ngrace = \"soon\"").contains("days.grace: \"soon\""));
        for share in ["0%", "75", "101%", "NaN%", "much"] {
            let wrong = message(&format!("calendar = \"24x7\"\n[readers]\nwarn_lag = {share:?}"));
            assert!(wrong.contains(&format!("readers.warn_lag: {share:?}")), "{wrong}");
        }
        assert!(message("calendar = \"24x7\"\n[ring]\nsymbols = \"many\"").starts_with("bus.toml: line 3: "));
        assert!(message("calendar = ").starts_with("bus.toml: line 1: "));
    }

    #[test]
    fn zillionare_is_float32_in_shanghai() {
        let settings = parse("calendar = \"24x7\"\n[bars]\npreset = \"zillionare\"").unwrap();
        assert_eq!(settings.schema, BarSchema::zillionare());
    }
}
