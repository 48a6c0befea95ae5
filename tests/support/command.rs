//! Runs `barbus` or another program to its end and returns its output and exit code.
//!
//! A program that does not end is killed after [`PATIENCE`](super::wait::PATIENCE) and fails the test.

use std::ffi::OsStr;
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::wait;

/// The `barbus` program of this build, not yet started, in a fixed environment.
pub(crate) fn barbus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barbus"));
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").env("TZ", "UTC");
    // Not the calendar tables of this system.
    command.env("BARBUS_CALENDARS", "/nonexistent");
    // A daemon on a busy machine or a slow disk is not hung.
    command.env("BARBUS_TIMEOUT", wait::PATIENCE.as_secs().to_string());
    command
}

/// Runs `barbus` with these arguments to its end.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    finish(barbus().args(arguments), None)
}

/// Runs `command` to its end, with `input` (or nothing) on its standard input.
pub(crate) fn finish(command: &mut Command, input: Option<&[u8]>) -> Finished {
    let mut running = Running::start(command, input.is_some());
    if let Some(bytes) = input {
        let mut pipe = running.child.stdin.take().expect("stdin is piped");
        let bytes = bytes.to_vec();
        // A program that refuses its input closes the pipe, which is not an error.
        std::thread::spawn(move || {
            let _ = pipe.write_all(&bytes);
        });
    }
    running.finish()
}

/// A running program whose output is collected.
pub(crate) struct Running {
    pub(crate) child: Child,
    line: String,
    stdout: Output,
    stderr: Output,
}

/// The output of a program so far, and the thread that collects it.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    collector: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts `command`; its standard input is a pipe for the test, or empty.
    pub(crate) fn start(command: &mut Command, pipe_input: bool) -> Self {
        command.stdin(if pipe_input { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let line = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let stdout = Output::collect(child.stdout.take().expect("stdout is piped"));
        let stderr = Output::collect(child.stderr.take().expect("stderr is piped"));
        Running { child, line, stdout, stderr }
    }

    /// Whole lines of its standard output so far.
    pub(crate) fn lines_so_far(&self) -> usize {
        self.stdout.bytes.lock().expect("nobody panics with it").iter().filter(|&&byte| byte == b'\n').count()
    }

    /// Whether its standard output has this word already.
    pub(crate) fn output_has(&self, word: &str) -> bool {
        self.count(word) > 0
    }

    /// How often its standard output has this word so far.
    pub(crate) fn count(&self, word: &str) -> usize {
        String::from_utf8_lossy(&self.stdout.bytes.lock().expect("nobody panics with it")).matches(word).count()
    }

    /// Whether it has mapped this file into its memory.
    pub(crate) fn has_mapped(&self, file: &Path) -> bool {
        let file = file.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap_or_default();
        maps.lines().any(|line| line.ends_with(file.to_str().expect("UTF-8")))
    }

    /// Sends it a signal. After SIGSTOP all of its threads have stopped.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid fits"));
        kill(pid, signal).expect("a child can be signalled");
        if signal == Signal::SIGSTOP {
            wait::until_stopped(self.child.id());
        }
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let status = wait::until(&format!("the end of {}", self.line), || {
            self.child.try_wait().expect("the child can be waited for")
        });
        let (stdout, stderr) = (self.stdout.until_end(), self.stderr.until_end());
        Finished { line: std::mem::take(&mut self.line), status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Output {
    fn collect(mut pipe: impl Read + Send + 'static) -> Output {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let collector = std::thread::spawn(move || {
            let mut piece = [0; 65_536];
            loop {
                let read = pipe.read(&mut piece).expect("a pipe can be read");
                if read == 0 {
                    return;
                }
                shared.lock().expect("nobody panics with it").extend_from_slice(&piece[..read]);
            }
        });
        Output { bytes, collector: Some(collector) }
    }

    fn until_end(&mut self) -> String {
        self.collector.take().expect("asked once").join().expect("the collecting thread does not panic");
        let bytes = std::mem::take(&mut *self.bytes.lock().expect("nobody panics with it"));
        String::from_utf8(bytes).expect("output is UTF-8")
    }
}

/// The output and exit status of a program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    line: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Asserts that it succeeded, and returns its standard output.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status.code(), Some(0), "{self}");
        self.stdout
    }

    /// Asserts that it ended with `code` and a message `barbus: what: why` that has all `words`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> String {
        assert_eq!(self.status.code(), Some(code), "{self}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in the message of {self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
        if code == 1 {
            assert!(self.stderr.lines().any(|line| line.starts_with("barbus: ")), "no message in {self}");
        }
        self.stderr
    }

    /// Asserts that it succeeded, and returns its standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Asserts that it succeeded, and returns each line of its standard output as a JSON value.
    #[track_caller]
    pub(crate) fn json_lines(self) -> Vec<serde_json::Value> {
        let text = self.ok();
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        text.lines().map(parse).collect()
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{}: {}", self.line, self.status)?;
        writeln!(to, "--- standard output\n{}--- standard error\n{}", self.stdout, self.stderr)
    }
}
