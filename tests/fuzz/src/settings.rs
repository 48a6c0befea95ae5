//! Any text as `bus.toml`: usable settings, or a one-line error that names the file.

use std::path::Path;

use barbus::Settings;

/// Parses `data` as the settings of a bus and uses the result.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Settings::parse(text, Path::new("bus.toml")) {
        Ok(settings) => {
            // Accepted settings must work: any instant has a trading day.
            for frame_ms in [i64::MIN, -62_135_596_800_000, -1, 0, 1_720_056_660_000, 253_402_300_799_000, i64::MAX] {
                let day = settings.calendar.trading_day(frame_ms);
                assert!(day.after_ms < day.until_ms && day.close_ms <= day.until_ms, "{day:?}");
            }
            settings.calendar.horizon();
            settings.schema.wire_schema();
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("bus.toml"), "{message:?} does not name the file");
        }
    }
}
