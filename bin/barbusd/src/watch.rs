//! What the writer's threads do, told by the log: a failure once, and its end.

use barbus_writer::{Failure, FlushStatus};

/// What was told of the syncs so far.
#[derive(Debug, Default)]
pub(crate) struct SyncWatch {
    told: Option<Failure>,
}

impl SyncWatch {
    /// Tells what is new. The same failure is told once, however often it is tried.
    pub(crate) fn look(&mut self, error: Option<Failure>) {
        match (&error, &self.told) {
            (Some(new), Some(told)) if new.error == told.error => {}
            (Some(new), _) => tracing::warn!(error = %new.error, "ring not on disk: it is tried again"),
            (None, Some(_)) => tracing::info!("ring on disk again"),
            (None, None) => {}
        }
        self.told = error;
    }
}

/// What was told of the flusher so far.
#[derive(Debug, Default)]
pub(crate) struct FlushWatch {
    told: Option<Failure>,
    files: u64,
    parts: u64,
}

impl FlushWatch {
    /// Tells what is new. The same failure of the same day is told once, however often it is tried.
    pub(crate) fn look(&mut self, status: &FlushStatus) {
        match (&status.last_error, &self.told) {
            (Some(new), Some(told)) if (new.day, &new.error) == (told.day, &told.error) => {}
            (Some(new), _) => {
                tracing::warn!(day = new.day.map(tracing::field::display), error = %new.error, "day not archived yet: it is tried again");
            }
            (None, Some(told)) => tracing::info!(day = told.day.map(tracing::field::display), "archive works again"),
            (None, None) => {}
        }
        self.told.clone_from(&status.last_error);
        if status.files_written > self.files {
            tracing::info!(files = status.files_written - self.files, "archived");
            self.files = status.files_written;
        }
        if status.parts_spilled > self.parts {
            tracing::info!(parts = status.parts_spilled - self.parts, "spilled rows of the open day");
            self.parts = status.parts_spilled;
        }
    }
}
