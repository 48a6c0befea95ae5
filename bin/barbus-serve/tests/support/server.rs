//! The server as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::http::{self, Answer};

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The program with arguments, not started.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barbus-serve"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a server that does not start, to its end.
pub(crate) fn refused(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

impl Server {
    /// Serves a bus on a free port of this machine.
    pub(crate) fn start(bus: &Path) -> Self {
        Self::with(&[bus.to_str().unwrap()])
    }

    /// Serves as the arguments say, on a free port.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut command = program(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("barbus-serve: listening on http://");
        let port = address.unwrap_or_else(|| panic!("the server said {line:?}")).rsplit_once(':').unwrap().1;
        // What follows is printed if the test fails.
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Self { child, address: format!("127.0.0.1:{port}").parse().unwrap() }
    }

    /// Its memory, megabytes, without the pages of files that it shares with others.
    pub(crate) fn memory_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1000
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(self.address, path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        http::get(self.address, path, headers)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
