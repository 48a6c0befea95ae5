//! A note where the running daemon goes by another calendar than the files of its bus.

use barbus::Bus;

use super::errors::print_error;

/// Says so if the daemon of `bus` has refused the calendar that this command reads.
pub(in crate::commands) fn note_refused_calendar(bus: &Bus) {
    // Without a daemon the files are what the next one goes by.
    if let Ok(stat) = barbus::stat(bus)
        && let Some(why) = stat.calendar_refused
    {
        print_error(format_args!(
            "{}: this is the calendar of the files; the daemon goes on with the one before: {why}",
            bus.path().display()
        ));
    }
}
