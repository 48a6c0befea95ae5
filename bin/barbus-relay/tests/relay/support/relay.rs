//! The relay as a process.

use std::process::{Command, ExitStatus, Output, Stdio};

use super::bus::TestBus;
use super::client::Client;
use super::fake_clock::FakeClock;
use super::network::Machine;
use super::process::Process;
use super::wait;

/// Which way a relay carries bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Out,
    In,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }
}

/// A relay between a bus and a stream, which is stopped and started again.
pub(crate) struct Relay {
    machine: Machine,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    log: std::path::PathBuf,
    process: Option<Process>,
}

impl Relay {
    /// A running relay on `machine`.
    pub(crate) fn start(machine: &Machine, direction: Direction, bus: &TestBus, url: &str, more: &[&str]) -> Self {
        let mut relay = Self::new(machine, direction, bus, url, more);
        relay.run();
        relay
    }

    /// The same, not started.
    pub(crate) fn new(machine: &Machine, direction: Direction, bus: &TestBus, url: &str, more: &[&str]) -> Self {
        let mut arguments: Vec<String> = [direction.name(), bus.path().to_str().expect("UTF-8"), "--nats", url]
            .into_iter()
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect();
        if !more.contains(&"--stream") {
            arguments.extend(["--stream".to_owned(), STREAM.to_owned()]);
        }
        let log = bus.beside(&format!("relay-{}.log", direction.name()));
        Self { machine: machine.clone(), arguments, environment: Vec::new(), log, process: None }
    }

    /// Makes it run under this clock from its next start on.
    pub(crate) fn set_clock(&mut self, clock: &FakeClock) {
        self.environment = clock.environment();
    }

    fn command(&self) -> Command {
        let mut command = self.machine.command(env!("CARGO_BIN_EXE_barbus-relay"));
        command.args(&self.arguments).env_remove("RUST_LOG").env("TZ", "UTC").env("BARBUS_CALENDARS", "/nonexistent");
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Waits until the stream has a first message, by which bars that follow are not missed.
    pub(crate) fn until_begun(&mut self, client: &Client) {
        let process = self.process();
        wait::until("the begin of the stream", || {
            process.assert_running();
            client.stream(STREAM).filter(|info| info.state.messages > 0).map(drop)
        });
    }

    /// Starts it.
    pub(crate) fn run(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let mut command = self.command();
        self.process = Some(Process::start(&mut command, &self.log));
    }

    /// Starts it again if it has ended because the server was missing at its start, as a service
    /// manager does.
    pub(crate) fn revive(&mut self) {
        if self.process().has_ended() {
            assert!(self.process().log().trim_end().ends_with("or correct --nats"), "{}", self.process().log());
            self.process = None;
            self.run();
        }
    }

    /// Runs it to an end that it has by itself.
    pub(crate) fn output(&self) -> Output {
        self.command().stdin(Stdio::null()).output().expect("the relay starts")
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it runs")
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Waits for an end that it has by itself.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.process.take().expect("it runs").end()
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("it runs").stop();
    }
}

/// Starts a relay from one bus to the stream, and one from the stream to another bus.
pub(crate) fn start_both(
    client: &Client,
    from: (&Machine, &TestBus),
    to: (&Machine, &TestBus),
    url: &str,
    more: &[&str],
) -> [Relay; 2] {
    let mut out = Relay::start(from.0, Direction::Out, from.1, url, more);
    out.until_begun(client);
    [out, Relay::start(to.0, Direction::In, to.1, url, &[])]
}

/// What the relays of a bus report.
pub(crate) fn reports(bus: &TestBus) -> Vec<serde_json::Value> {
    let mut status = Command::new(env!("CARGO_BIN_EXE_barbus-relay"));
    let output = status.arg("status").arg(bus.path()).arg("--json").output().expect("the relay starts");
    assert!(output.status.success(), "{output:?}");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    value.as_array().unwrap_or_else(|| panic!("no list in {value}")).clone()
}

/// The stream of all tests that need only one.
pub(crate) const STREAM: &str = "BARS";
