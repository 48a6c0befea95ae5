//! Continuing in a new ring after the ring's file was removed, moved or replaced by another one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use barbus::Error;
use barbus_shm::{ShmError, WriteMap, rename_new};
use jiff::Timestamp;

use crate::flusher::RingEvent;
use crate::replace::REPLACE_PAUSE;
use crate::writer::Writer;

impl Writer {
    /// Takes a step towards a new ring in the place of one whose file is no longer at its path: its
    /// rows are archived or spilled first. Returns whether rows may be appended again.
    ///
    /// Until then none is: a row in a lost file would not survive the end of this process.
    #[cold]
    pub(crate) fn replace_lost_ring(&mut self) -> bool {
        if !self.current_ring.is_lost() {
            self.ring_state.set_found();
            return true;
        }
        self.publish_staged();
        self.finish_loading();
        self.ring.seal_block();
        if !self.ring.all_persisted() {
            self.flusher.request_spill(true);
            return false;
        }
        if self.replace_failure.as_ref().is_some_and(|(at, _)| at.elapsed() < REPLACE_PAUSE) {
            return false;
        }
        let path = self.bus.ring();
        let replaced = set_aside(&path).map_err(|error| error.to_string()).and_then(|aside| {
            if let Some(aside) = aside {
                tracing::warn!(aside = %aside.display(), "another file was in the place of the ring: moved aside: find out which program made it");
            }
            self.replace_ring(0, RingEvent::Lost)
        });
        match replaced {
            Ok(()) => {
                tracing::warn!(ring = %path.display(), "continuing in a new ring: no bar is lost: readers switch by themselves, nothing is to be done");
                self.ring_state.set_found();
                true
            }
            Err(error) => {
                self.replace_failure = Some((Instant::now(), error.clone()));
                self.ring_state.set_failure(Some(format!(
                    "removed, moved or replaced, and no new ring can be made: producers wait: {error}"
                )));
                false
            }
        }
    }
}

/// Moves a file that has taken the place of the ring aside, and returns where.
///
/// # Errors
/// It is the ring of another writer, or the system refuses.
fn set_aside(path: &Path) -> Result<Option<PathBuf>, Error> {
    if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    if let Ok(map) = WriteMap::open(path)
        && let Err(ShmError::Held { pid, .. }) = map.lock()
    {
        return Err(Error::InUse { path: path.to_owned(), by: None, pid });
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".aside-{}", Timestamp::now().as_millisecond()));
    let aside = PathBuf::from(aside);
    rename_new(path, &aside).map_err(|error| Error::io(path, "move aside", error))?;
    Ok(Some(aside))
}
