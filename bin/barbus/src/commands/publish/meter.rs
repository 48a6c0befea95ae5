//! What a person sees while files are being published: a bar, the rate, and what became of the rows so far.
//!
//! Drawn on standard error, and only where that is a terminal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barbus::protocol::Ack;
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use crate::output::format::{count, rate};
use crate::publish::Progress;

/// How often the bar is drawn while files are read.
const TICK: Duration = Duration::from_millis(100);

const READING: &str = "reading  {wide_bar:.cyan/dim} {decimal_bytes}/{decimal_total_bytes}";
const READING_ENDLESS: &str = "reading  {spinner} {decimal_bytes}";
const ROWS: &str = "{wide_bar:.cyan/dim} {human_pos}/{human_len} rows{left}\n{msg}";
const BYTES: &str = "{wide_bar:.cyan/dim} {decimal_bytes}/{decimal_total_bytes} read{left}\n{msg}";
const ENDLESS: &str = "{spinner} {elapsed}\n{msg}";

/// A progress bar over the whole of a publication.
pub(in crate::commands) struct Meter {
    bar: ProgressBar,
    read: Progress,
    by: By,
    start: Instant,
}

/// What the bar counts while rows are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Rows,
    Bytes,
    Nothing,
}

impl Meter {
    /// A meter for inputs whose bytes are counted in `read`.
    pub(in crate::commands) fn new(read: &Progress) -> Meter {
        Meter { bar: ProgressBar::no_length(), read: read.clone(), by: By::Nothing, start: Instant::now() }
    }

    /// Does `load`, which reads the inputs, and shows meanwhile how far it is.
    pub(in crate::commands) fn while_loading(&self, load: impl FnOnce()) {
        if !self.is_shown() {
            return load();
        }
        self.begin_bytes(READING, READING_ENDLESS);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.bar.set_position(self.read.read());
                    self.bar.tick();
                    std::thread::park_timeout(TICK);
                }
            });
            load();
            done.store(true, Ordering::Relaxed);
            watcher.thread().unpark();
        });
    }

    /// The rows begin to be sent: `rows` of them, where that is known.
    pub(in crate::commands) fn begin(&mut self, rows: Option<u64>) {
        self.start = Instant::now();
        self.bar.reset();
        self.by = match rows {
            Some(rows) => {
                self.bar.set_length(rows);
                self.bar.set_style(style(ROWS));
                By::Rows
            }
            None => self.begin_bytes(BYTES, ENDLESS),
        };
        self.acked(&Ack::default());
    }

    fn begin_bytes(&self, bounded: &str, endless: &str) -> By {
        match self.read.size() {
            Some(size) => {
                self.bar.set_length(size);
                self.bar.set_style(style(bounded));
                By::Bytes
            }
            None => {
                self.bar.set_style(style(endless));
                By::Nothing
            }
        }
    }

    /// Whether anybody sees it.
    pub(in crate::commands) fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// So much has been acknowledged.
    pub(in crate::commands) fn acked(&self, ack: &Ack) {
        if !self.is_shown() {
            return;
        }
        match self.by {
            By::Rows => self.bar.set_position(ack.rows),
            By::Bytes => self.bar.set_position(self.read.read()),
            By::Nothing => self.bar.tick(),
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

    /// Takes the bar away.
    pub(in crate::commands) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("a template of this file");
    // Before anything is acknowledged there is nothing to guess from.
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
    fn the_templates_can_be_read() {
        for template in [READING, READING_ENDLESS, ROWS, BYTES, ENDLESS] {
            style(template);
        }
    }

    #[test]
    fn a_load_is_done_whether_shown_or_not() {
        let mut loaded = false;
        let mut meter = Meter::new(&Progress::default());
        meter.while_loading(|| loaded = true);
        meter.begin(Some(1));
        meter.end();
        assert!(loaded);
    }
}
