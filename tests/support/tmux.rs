//! A terminal of a test: a shell in a tmux server of its own, whose screen can be read.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::wait;

/// A shell in a terminal; dropping it ends the server and everything in it.
pub(crate) struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// Starts a shell on a screen of `columns` and `rows`; `None` after reporting that the test is
    /// skipped, where there is no tmux.
    pub(crate) fn start(columns: u16, rows: u16) -> Option<Terminal> {
        if let Err(error) = Command::new("tmux").arg("-V").output() {
            println!("skipped: tmux: {error}");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("barbus-tmux-").tempdir().expect("a temporary directory");
        let terminal = Terminal { folder };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let shell = ["new-session", "-d", "-x", &columns, "-y", &rows, "env PS1='shell> ' bash --norc --noprofile"];
        terminal.tmux(&shell);
        terminal.wait_for("a shell", |screen| screen.contains("shell>"));
        Some(terminal)
    }

    #[track_caller]
    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket")).args(["-f", "/dev/null"]).args(arguments);
        // Else a tmux in which the tests run would answer, or its colours be assumed.
        command.env_remove("TMUX").env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
        command.env("BARBUS_CALENDARS", "/nonexistent").env_remove("RUST_BACKTRACE");
        let Output { status, stdout, stderr } = command.output().expect("tmux runs");
        assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("UTF-8")
    }

    /// The text of the screen.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The screen with the escape sequences of its colours.
    pub(crate) fn coloured_screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Types a line into the shell.
    pub(crate) fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Runs a line in the shell to its end.
    pub(crate) fn run(&self, line: &str) {
        // The line that is typed does not have the word itself.
        self.enter(&format!("{line}; echo all$((0)) done"));
        self.wait_for(line, |screen| screen.contains("all0 done"));
        self.enter("clear");
        self.wait_for("an empty screen", |screen| !screen.contains("all0 done"));
    }

    /// Presses a key, by tmux's name of it.
    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Changes the size of the screen.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Waits until the screen satisfies `is_so`, and returns it.
    pub(crate) fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let end = std::time::Instant::now() + wait::PATIENCE;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            if screen != last {
                last = screen;
            }
            assert!(std::time::Instant::now() < end, "waited for {what}; the screen is\n{last}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        let _ = command.arg("-S").arg(self.folder.path().join("socket")).arg("kill-server").output();
    }
}
