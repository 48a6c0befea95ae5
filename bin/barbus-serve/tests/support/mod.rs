//! What the tests share: a bus with a writer, the server as a process, HTTP, and a browser.

pub(crate) mod chromium;
pub(crate) mod http;
pub(crate) mod market;
pub(crate) mod server;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any step takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Polls until `ask` returns a value.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a program is installed; if not, the test says that it is skipped. With `CI` set it must
/// be.
pub(crate) fn has_program(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program}: not found: .ci/run installs it");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}
