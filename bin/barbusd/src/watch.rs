//! What the writer's threads do, told by the log: a failure once, and its end.

use barbus_writer::{DurabilityWaiter, Failure, FlushStatus, FlushWaiter};

use crate::shared_writer::SharedWriter;

/// What was told of the threads of a writer so far.
#[derive(Debug)]
pub(crate) struct WriterWatch {
    flush_waiter: FlushWaiter,
    durability_waiter: DurabilityWaiter,
    flush: FlushWatch,
    sync: SyncWatch,
}

impl WriterWatch {
    pub(crate) fn new(writer: &SharedWriter) -> Self {
        Self {
            flush_waiter: writer.flush_waiter(),
            durability_waiter: writer.durability_waiter(),
            flush: FlushWatch::default(),
            sync: SyncWatch::default(),
        }
    }

    /// Tells what is new.
    pub(crate) fn look(&mut self) {
        self.flush.look(&self.flush_waiter.status());
        self.sync.look(self.durability_waiter.last_error());
    }
}

/// What was told of the syncs so far.
#[derive(Debug, Default)]
struct SyncWatch {
    told: Option<Failure>,
}

impl SyncWatch {
    /// Tells what is new. The same failure is told once, however often it is tried.
    fn look(&mut self, error: Option<Failure>) {
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
struct FlushWatch {
    told: Option<Failure>,
    files: u64,
    parts: u64,
}

impl FlushWatch {
    /// Tells what is new. The same failure of the same day is told once, however often it is tried.
    fn look(&mut self, status: &FlushStatus) {
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
