//! Parsing a `bus.toml`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use barbus_bars::{BarSchema, Calendar, CalendarSpec, CalendarTables, Date, Label, PriceType, Rules};
use serde::Deserialize;

use crate::ack::AckMode;
use crate::error::{Error, Result};
use crate::settings::keep::keep;
use crate::settings::sources::sources;
use crate::settings::table::{SECTIONS, SETTINGS};
use crate::settings::values::{Account, OutsideSessions, Settings};
use crate::suggestion::{did_you_mean, most_similar};

/// The file as it is written.
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
    control: RawControl,
    #[serde(default)]
    sources: RawSources,
    #[serde(default)]
    archive: RawArchive,
    #[serde(default)]
    quarantine: RawQuarantine,
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
    max_ahead: Option<String>,
    oldest: Option<String>,
    outside_sessions: Option<OutsideSessions>,
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
    max_symbols: Option<u32>,
    tip_rows: Option<u32>,
    sync: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawIngest {
    socket: Option<PathBuf>,
    max_message: Option<String>,
    memory: Option<String>,
    quarantine_rate: Option<String>,
    quarantine_size: Option<String>,
    connections_per_user: Option<u32>,
    idle: Option<String>,
    message_timeout: Option<String>,
    ack: Option<AckMode>,
    #[serde(default)]
    allow_users: Vec<Account>,
    #[serde(default)]
    allow_groups: Vec<Account>,
}

#[derive(Debug, Default, Deserialize)]
struct RawControl {
    #[serde(default)]
    allow_users: Vec<Account>,
    #[serde(default)]
    allow_groups: Vec<Account>,
}

#[derive(Debug, Default, Deserialize)]
struct RawSources {
    #[serde(default)]
    priority: Vec<String>,
    silence: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawArchive {
    path: Option<PathBuf>,
    late: Option<String>,
    spill: Option<String>,
    keep: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawQuarantine {
    keep: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawReaders {
    max_pins: Option<String>,
    held_rings: Option<u32>,
    held_size: Option<String>,
    positions: Option<bool>,
    warn_lag: Option<String>,
    warn_pins: Option<String>,
}

impl Settings {
    /// Parses the text of a `bus.toml`, which may name the built-in calendars; `path` is for the
    /// messages.
    ///
    /// # Errors
    /// [`Error::Settings`] names the problem, and its line if it is known.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        Self::parse_with(text, path, &CalendarTables::built_in())
    }

    /// Parses the text of a `bus.toml`, which may name these calendars.
    ///
    /// # Errors
    /// As [`Settings::parse`].
    pub fn parse_with(text: &str, path: &Path, calendars: &CalendarTables) -> Result<Self> {
        parse(text, calendars).map_err(|what| Error::Settings { path: path.to_owned(), what })
    }
}

fn parse(text: &str, calendars: &CalendarTables) -> Result<Settings, String> {
    let table: toml::Table = text.parse().map_err(|error| with_line(text, &error))?;
    check_keys(&table)?;
    if !table.contains_key("calendar") {
        return Err("no calendar: name one, such as calendar = \"XSHG\"".into());
    }
    let raw: Raw = match table.try_into() {
        Ok(raw) => raw,
        // An error has a line if it comes from the text, which is not parsed twice otherwise.
        Err(_) => toml::from_str(text).map_err(|error| with_line(text, &error))?,
    };
    let calendar = calendar(text, raw.calendar, calendars)?;
    let (bars, days, ring, ingest, control, archive, readers) =
        (raw.bars, raw.days, raw.ring, raw.ingest, raw.control, raw.archive, raw.readers);
    Ok(Settings {
        schema: schema(&bars, &calendar)?,
        oldest_ms: first_end("bars.oldest", bars.oldest, "1990-01-01", &calendar)?,
        max_ahead: duration("bars.max_ahead", bars.max_ahead, "10m")?,
        outside_sessions: bars.outside_sessions.unwrap_or_default(),
        calendar,
        label: bars.label.unwrap_or_default(),
        rules: Rules { high_low: bars.high_low.unwrap_or(true) },
        grace: duration("days.grace", days.grace, "5m")?,
        ring_path: ring.path.unwrap_or_else(|| "bars.ring".into()),
        ring_bytes: size("ring.size", ring.size, "256MB")?,
        rows_per_block: ring.rows_per_block.unwrap_or(16_384),
        symbols: ring.symbols.unwrap_or(8_192),
        max_symbols: ring.max_symbols.unwrap_or(131_072),
        tip_rows: ring.tip_rows.unwrap_or(8_192),
        sync: duration("ring.sync", ring.sync, "1s")?,
        socket: ingest.socket.unwrap_or_else(|| "ingest.sock".into()),
        max_message_bytes: size("ingest.max_message", ingest.max_message, "256MB")?,
        ingest_memory_bytes: size("ingest.memory", ingest.memory, "512MB")?,
        quarantine_bytes_per_second: size("ingest.quarantine_rate", ingest.quarantine_rate, "1MB")?,
        quarantine_bytes: size("ingest.quarantine_size", ingest.quarantine_size, "1GB")?,
        connections_per_user: ingest.connections_per_user.unwrap_or(128),
        idle: duration("ingest.idle", ingest.idle, "72h")?,
        message_timeout: duration("ingest.message_timeout", ingest.message_timeout, "30s")?,
        ack: ingest.ack.unwrap_or_default(),
        allow_users: ingest.allow_users,
        allow_groups: ingest.allow_groups,
        control_users: control.allow_users,
        control_groups: control.allow_groups,
        sources: sources(raw.sources.priority, duration("sources.silence", raw.sources.silence, "2m")?)?,
        archive_path: archive.path.unwrap_or_else(|| "archive/1m".into()),
        late: duration("archive.late", archive.late, "5s")?,
        spill: duration("archive.spill", archive.spill, "1m")?,
        archive_keep: keep("archive.keep", archive.keep.as_deref())?,
        quarantine_keep: keep("quarantine.keep", raw.quarantine.keep.as_deref())?,
        max_pins: share("readers.max_pins", readers.max_pins, "25%")?,
        held_rings: readers.held_rings.unwrap_or(4),
        held_size: size("readers.held_size", readers.held_size, "1GB")?,
        positions: readers.positions.unwrap_or(true),
        warn_lag: share("readers.warn_lag", readers.warn_lag, "75%")?,
        warn_pins: duration("readers.warn_pins", readers.warn_pins, "5m")?,
    })
}

/// A calendar, by its name or spelled out as a table.
fn calendar(text: &str, value: toml::Value, calendars: &CalendarTables) -> Result<Calendar, String> {
    /// The file with nothing but its calendar, for errors with a line.
    #[derive(Deserialize)]
    struct OnlyCalendar {
        calendar: CalendarSpec,
    }
    let (calendar, path): (_, &[&str]) = match value {
        toml::Value::String(name) => (calendars.calendar(&name), &[]),
        _ => {
            let only: OnlyCalendar = toml::from_str(text).map_err(|error| with_line(text, &error))?;
            (calendars.describe(only.calendar), &["calendar"])
        }
    };
    calendar.map_err(|error| match Calendar::fault_line(text, path, &error) {
        Some(line) => format!("line {line}: {error}"),
        None => error.to_string(),
    })
}

fn duration(key: &str, text: Option<String>, default: &str) -> Result<Duration, String> {
    let text = text.as_deref().unwrap_or(default);
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    let duration = parsed.and_then(|duration| Duration::try_from(duration).ok());
    duration.ok_or_else(|| format!("{key}: {text:?} is not a duration such as \"5s\" or \"2m\""))
}

/// The first moment of a date in the market's zone, milliseconds UTC.
fn first_end(key: &str, text: Option<String>, default: &str, calendar: &Calendar) -> Result<i64, String> {
    let text = text.as_deref().unwrap_or(default);
    let midnight = text.parse().ok().and_then(|date: Date| date.to_zoned(calendar.zone().clone()).ok());
    let midnight = midnight.ok_or_else(|| format!("{key}: {text:?} is not a date such as \"1990-01-01\""))?;
    Ok(midnight.timestamp().as_millisecond())
}

/// A size in bytes.
fn size(key: &str, text: Option<String>, default: &str) -> Result<u64, String> {
    let text = text.as_deref().unwrap_or(default);
    let size = text.parse::<bytesize::ByteSize>().map(|size| size.0);
    size.map_err(|_| format!("{key}: {text:?} is not a size such as \"256MB\""))
}

/// A part of the whole, in percent: above `0%` and at most `100%`. The result is above 0 and at
/// most 1.
fn share(key: &str, text: Option<String>, default: &str) -> Result<f64, String> {
    let text = text.as_deref().unwrap_or(default);
    let percent: Option<f64> = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
    let share = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0).map(|percent| percent / 100.0);
    share.ok_or_else(|| format!("{key}: {text:?} is not a percentage such as \"75%\""))
}

fn schema(bars: &RawBars, calendar: &Calendar) -> Result<BarSchema, String> {
    let preset = match bars.preset.as_deref().unwrap_or("default") {
        "default" => BarSchema::in_zone(calendar.zone_name()).map_err(|e| e.to_string())?,
        "zillionare" => BarSchema::zillionare(),
        other => {
            return Err(format!("bars.preset: unknown preset {other:?}: use \"default\" or \"zillionare\""));
        }
    };
    let zone = bars.zone.as_deref().filter(|zone| !zone.is_empty()).unwrap_or(preset.zone());
    let price = bars.price.unwrap_or(preset.price());
    let optional = bars.optional.as_deref().unwrap_or(preset.optional());
    BarSchema::new(zone, price, optional.iter().cloned()).map_err(|e| format!("bars: {e}"))
}

/// Reports the first unknown key, with the most similar known one.
fn check_keys(table: &toml::Table) -> Result<(), String> {
    let unknown = |key: &str, place: &str, suggestion: Option<String>| {
        Err(format!("unknown key {key:?}{place}{}", did_you_mean(suggestion.as_deref())))
    };
    for (key, value) in table {
        if key == "calendar" {
            continue;
        }
        let sections = SECTIONS.iter().map(|(name, _)| *name);
        if !SECTIONS.iter().any(|(name, _)| name == key) {
            return unknown(key, "", most_similar(key, sections.chain(["calendar"])));
        }
        let Some(section) = value.as_table() else { return Err(format!("{key} must be a table: [{key}]")) };
        for inner in section.keys() {
            let known = || SETTINGS.iter().filter(|setting| setting.section == key).map(|setting| setting.key);
            if !known().any(|name| name == inner) {
                return unknown(inner, &format!(" in [{key}]"), most_similar(inner, known()));
            }
        }
    }
    Ok(())
}

/// The message of the parser, with the number of the line.
fn with_line(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    line.map_or(message.clone(), |line| format!("line {line}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::template::{InitOptions, template};

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
    fn a_message_names_the_key_and_the_most_similar_known_one() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(message("calender = \"XSHG\""), "bus.toml: unknown key \"calender\": did you mean \"calendar\"?");
        let text = "calendar = \"XSHG\"\n[ring]\nsise = \"1MB\"";
        assert_eq!(message(text), "bus.toml: unknown key \"sise\" in [ring]: did you mean \"size\"?");
        assert!(message("calendar = \"XSHH\"").contains("XSHG"));
        assert!(message("").contains("no calendar"));
        assert!(message("calendar = \"24x7\"\n[ring]\nsize = \"big\"").contains("ring.size: \"big\""));
        assert!(message("calendar = \"24x7\"\n[days]\ngrace = \"soon\"").contains("days.grace: \"soon\""));
        assert!(message("calendar = \"24x7\"\n[bars]\noldest = \"2024\"").contains("bars.oldest: \"2024\""));
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

    #[test]
    fn a_fault_of_the_calendar_names_its_line() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        let wrong = message("[bars]\n[calendar]\npreset = \"XSHG\"\nhalf_days = { 2026-10-01 = \"11:30\" }");
        assert!(wrong.starts_with("bus.toml: line 4: half_days: 2026-10-01 is no trading day"), "{wrong}");
        let wrong = message("[calendar]\npreset = \"XSHG\"\nholidays = [\n  \"2026-02-30\",\n]");
        assert!(wrong.starts_with("bus.toml: line 3: \"2026-02-30\" is not a date"), "{wrong}");
        let wrong = message("# The market.\ncalendar = \"XSHH\"");
        assert!(wrong.starts_with("bus.toml: line 2: unknown calendar \"XSHH\""), "{wrong}");
        let wrong = message("[calendar]\nzone = \"UTC\"\nsessions = [[\"09:30\", \"16:00\"]]\nholiday = []");
        assert!(wrong.starts_with("bus.toml: line 4: unknown field `holiday`"), "{wrong}");
    }
}
