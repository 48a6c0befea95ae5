//! Reads the calendar of the bus again when a SIGHUP arrives.

use barbus::Bus;
use barbus_writer::CalendarChange;

use crate::shared_writer::SharedWriter;

/// How often a change is planned again because the archive has changed meanwhile.
const ATTEMPTS: usize = 10;

/// Reads `bus.toml` and the calendar tables, continues with the calendar that they describe, and
/// logs what changes. A calendar that is faulty, or that would give bars of the bus another trading
/// day, is logged as an error and changes nothing. Other settings take effect at the next start.
pub(crate) fn reload(writer: &SharedWriter) {
    let refused = try_reload(writer).err();
    if let Some(error) = &refused {
        tracing::error!("the calendar is not read again: {error}: correct the files, and send SIGHUP again");
    }
    // Other programs read the files, so they need to know that the writer does not go by them.
    writer.note_calendar_refused(refused);
}

fn try_reload(writer: &SharedWriter) -> Result<(), String> {
    for _ in 0..ATTEMPTS {
        let Some(bus) = writer.bus_now() else { return Ok(()) };
        let calendar = Bus::open(bus.path()).map_err(text)?.settings().calendar.clone();
        let change = CalendarChange::plan(&bus, calendar).map_err(text)?;
        if !writer.change_calendar(&change).unwrap_or(Ok(true)).map_err(text)? {
            continue;
        }
        if change.notes().is_empty() {
            tracing::info!("the calendar was read again: nothing changes");
        }
        for note in change.notes() {
            tracing::warn!(calendar = bus.settings().calendar.name(), "the calendar is changed: {note}");
        }
        return Ok(());
    }
    Err("the archive changes all the time; send SIGHUP again".to_owned())
}

fn text(error: barbus::Error) -> String {
    error.to_string()
}
