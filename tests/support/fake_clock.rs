//! A wall clock that a test sets, for the programs that run under it, by libfaketime.
//!
//! Only the wall clock is faked: the clocks of the boot go on.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Where Debian and Ubuntu install the library, by architecture.
const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"];

/// A clock that differs from the real one by what a file says.
pub(crate) struct FakeClock {
    file: PathBuf,
    library: &'static str,
    /// The difference without the steps of the test, seconds.
    base_s: i64,
}

impl FakeClock {
    /// A clock that shows `now`, as RFC 3339; its file is `file`. `None` without the library.
    pub(crate) fn showing(now: &str, file: PathBuf) -> Option<Self> {
        let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).exists()) else {
            println!("skipped: libfaketime is not installed (the package faketime)");
            return None;
        };
        let now: Timestamp = now.parse().expect("an RFC 3339 time");
        let clock = Self { file, library, base_s: now.as_second() - Timestamp::now().as_second() };
        clock.step(0);
        Some(clock)
    }

    /// Sets the clock this number of seconds ahead of where it would be.
    pub(crate) fn step(&self, seconds: i64) {
        // By a rename: the library reads the file at each call.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{:+}\n", self.base_s + seconds)).expect("can be written");
        std::fs::rename(&next, &self.file).expect("can be renamed");
    }

    /// The environment of a program under this clock.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}
