//! The text of a new `bus.toml`.

use crate::settings::table::{SECTIONS, SETTINGS};

/// What [`Bus::init`](crate::Bus::init) creates.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The name of a calendar, one of [`barbus_bars::PRESETS`].
    pub calendar: String,
    /// The name of a set of columns: `default` or `zillionare`.
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
        text += &format!("#   {name:<14} {what}\n");
    }
    text +=
        "# or one of calendar.d, or a [calendar] table that spells it out: zone, sessions, day_starts, holidays etc.\n";
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
