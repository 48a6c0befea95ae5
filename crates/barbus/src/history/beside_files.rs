//! The bars that the day files do not have, for readers that read the files themselves.

use std::path::PathBuf;

use barbus_bars::Date;

use super::answer::Answer;
use super::query::BarsQuery;
use crate::error::Result;

impl BarsQuery {
    /// Asks for the days that are wholly in their files, which are not read, and for the bars of
    /// all other days. Later bars of the former are in their files when these are read.
    ///
    /// # Errors
    /// As [`BarsQuery::collect`].
    #[doc(hidden)]
    pub fn beside_files(self) -> Result<(Vec<(Date, PathBuf)>, Answer)> {
        let archive = self.bus.open_archive();
        let mut history = self.open()?;
        // After the question has opened the files: a part that is gone since then is in its day's
        // file.
        let spilled = archive.spilled_days()?;
        let mut files = Vec::new();
        history.retain_days(|day, has_live_bars| {
            let path = archive.path(day);
            let is_whole = !has_live_bars && !spilled.contains(&day) && path.exists();
            if is_whole {
                files.push((day, path));
            }
            !is_whole
        });
        Ok((files, history.collect_all()?))
    }
}
