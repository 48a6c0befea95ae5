//! The progress display of a publication: a bar, the rate, and the counts of the rows so far.
//!
//! It is drawn on standard error, and only if that is a terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barbus::protocol::Ack;
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use crate::output::format::{count, rate};
use barbus_files::Progress;

/// Time between two redraws while files are read.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

const READING: &str = "reading  {wide_bar:.cyan/dim} {decimal_bytes}/{decimal_total_bytes}";
const READING_UNSIZED: &str = "reading  {spinner} {decimal_bytes}";
const ROWS: &str = "{wide_bar:.cyan/dim} {human_pos}/{human_len} rows{left}\n{msg}";
const BYTES: &str = "{wide_bar:.cyan/dim} {decimal_bytes}/{decimal_total_bytes} read{left}\n{msg}";
const UNSIZED: &str = "{spinner} {elapsed}\n{msg}";

/// The progress bar of one publication.
pub(in crate::commands) struct Meter {
    bar: ProgressBar,
    read: Progress,
    unit: Unit,
    start: Instant,
}

/// What the bar counts while rows are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Rows,
    Bytes,
    Nothing,
}

impl Meter {
    /// A meter for inputs whose bytes `read` counts.
    pub(in crate::commands) fn new(read: &Progress) -> Meter {
        Meter { bar: ProgressBar::no_length(), read: read.clone(), unit: Unit::Nothing, start: Instant::now() }
    }

    /// Runs `load`, which reads the inputs, and shows its progress.
    pub(in crate::commands) fn while_loading(&self, load: impl FnOnce()) {
        if !self.is_shown() {
            return load();
        }
        self.begin_bytes(READING, READING_UNSIZED);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.bar.set_position(self.read.read());
                    self.bar.tick();
                    std::thread::park_timeout(REDRAW_INTERVAL);
                }
            });
            load();
            done.store(true, Ordering::Relaxed);
            watcher.thread().unpark();
        });
    }

    /// Starts the display of sending. `rows` is the number of rows, if it is known.
    pub(in crate::commands) fn begin(&mut self, rows: Option<u64>) {
        self.start = Instant::now();
        self.bar.reset();
        self.unit = match rows {
            Some(rows) => {
                self.bar.set_length(rows);
                self.bar.set_style(style(ROWS));
                Unit::Rows
            }
            None => self.begin_bytes(BYTES, UNSIZED),
        };
        self.acked(&Ack::default());
    }

    fn begin_bytes(&self, with_size: &str, without_size: &str) -> Unit {
        match self.read.size() {
            Some(size) => {
                self.bar.set_length(size);
                self.bar.set_style(style(with_size));
                Unit::Bytes
            }
            None => {
                self.bar.set_style(style(without_size));
                Unit::Nothing
            }
        }
    }

    /// Whether the display is drawn.
    pub(in crate::commands) fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Shows the rows acknowledged so far.
    pub(in crate::commands) fn acked(&self, ack: &Ack) {
        if !self.is_shown() {
            return;
        }
        match self.unit {
            Unit::Rows => self.bar.set_position(ack.rows),
            Unit::Bytes => self.bar.set_position(self.read.read()),
            Unit::Nothing => self.bar.tick(),
        }
        self.bar.set_message(format!(
            "accepted {}, duplicate {}, revised {}, quarantined {}, {}",
            count(ack.accepted),
            count(ack.duplicate),
            count(ack.revised),
            count(ack.quarantined),
            rate(ack.rows, "rows", self.start.elapsed()),
        ));
    }

    /// Removes the display.
    pub(in crate::commands) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the templates of this file are valid");
    // Without an acknowledged row there is no rate to estimate from.
    style.with_key("left", |state: &ProgressState, to: &mut dyn std::fmt::Write| {
        if state.pos() > 0 {
            let _ = write!(to, ", {:#} left", HumanDuration(state.eta()));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [READING, READING_UNSIZED, ROWS, BYTES, UNSIZED] {
            style(template);
        }
    }

    #[test]
    fn a_hidden_meter_still_loads() {
        let mut loaded = false;
        let mut meter = Meter::new(&Progress::default());
        meter.while_loading(|| loaded = true);
        meter.begin(Some(1));
        meter.end();
        assert!(loaded);
    }
}
