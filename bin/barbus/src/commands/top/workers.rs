//! The threads that fill the model.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::ensure;
use barbus::Bus;

use super::bars::BarFollower;
use super::files::FileWatcher;
use super::model::{Model, Shared};
use super::status::Status;
use super::worker::{Worker, lock};
use super::{closes, daemon};

/// Closes are looked up at most this often: each time reads files of the archive.
const CLOSES_PAUSE: Duration = Duration::from_secs(2);

/// The threads and what they fill.
pub(super) struct Workers {
    pub(super) model: Shared,
    bars: Worker,
    files: Worker,
    daemon: Worker,
    closes: Worker,
}

impl Workers {
    /// Starts them. Each renews its part of the model every `interval`.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub(super) fn start(bus: &Bus, interval: Duration) -> anyhow::Result<Workers> {
        let model: Shared = Arc::new(Mutex::new(Model::new(bus)));
        let mut follower = BarFollower::new(bus, &model);
        let bars = Worker::start("bars", interval, move || follower.step())?;
        let (mut watcher, shared) = (FileWatcher::new(bus), Arc::clone(&model));
        let files = Worker::start("files", interval, move || {
            let figures = watcher.read();
            lock(&shared).files = Some(figures);
        })?;
        let (asked, shared) = (bus.clone(), Arc::clone(&model));
        let daemon = Worker::start("daemon", interval, move || {
            let answer = daemon::ask(&asked);
            lock(&shared).daemon.note(answer);
        })?;
        let (asked, shared) = (bus.clone(), Arc::clone(&model));
        let pause = CLOSES_PAUSE.max(interval);
        let closes = Worker::start("closes", pause, move || closes::look_up(&asked, &shared))?;
        Ok(Workers { model, bars, files, daemon, closes })
    }

    /// The state at this moment, of the model that the caller has locked.
    pub(super) fn status(&self, model: &Model) -> Status {
        let reading = self.files.busy_for().max(self.bars.busy_for());
        Status::of(model, self.daemon.busy_for(), reading)
    }

    /// Fails if a thread has ended, which only a bug can cause.
    ///
    /// # Errors
    /// A thread has ended.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let all = [&self.bars, &self.files, &self.daemon, &self.closes];
        ensure!(!all.into_iter().any(Worker::has_failed), "a part of it has failed: please report this");
        Ok(())
    }
}
