//! NATS servers with JetStream, alone or as a cluster.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::network::Machine;
use super::process::Process;
use super::{venv, wait};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Debian's package, 2.9.10 in Debian 12.
    Debian,
    /// The newest one of PyPI.
    Newest,
}

impl Release {
    /// The program; `None` if Debian's is not installed, which is reported.
    pub(crate) fn program(self) -> Option<PathBuf> {
        match self {
            Self::Debian => {
                let found = Command::new("nats-server").arg("--version").stdout(Stdio::null()).status();
                if let Err(error) = found {
                    println!("skipped: nats-server: {error} (the package nats-server)");
                    return None;
                }
                Some("nats-server".into())
            }
            Self::Newest => {
                let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/relay/requirements.txt");
                Some(venv::environment(&requirements).join("bin/nats-server"))
            }
        }
    }
}

/// A server. Dropping it kills it and removes its files.
pub(crate) struct Server {
    // Dropped before its files.
    process: Option<Process>,
    pub(crate) machine: Machine,
    pub(crate) port: u16,
    program: PathBuf,
    folder: TempDir,
}

impl Server {
    /// A running server with JetStream.
    pub(crate) fn start(release: Release, machine: &Machine) -> Option<Self> {
        Self::with(release, machine, "")
    }

    /// The same with more settings, in the form of its configuration file.
    pub(crate) fn with(release: Release, machine: &Machine, settings: &str) -> Option<Self> {
        let mut server = Self::new(release, machine)?;
        let store = server.store();
        server.configure("alone", &format!("jetstream {{ store_dir: {store:?} }}\n{settings}"));
        server.run();
        Some(server)
    }

    /// A server without JetStream.
    pub(crate) fn without_streams(release: Release, machine: &Machine) -> Option<Self> {
        let mut server = Self::new(release, machine)?;
        server.configure("alone", "");
        server.run();
        Some(server)
    }

    /// A server on each of these machines, which form a cluster.
    pub(crate) fn cluster(release: Release, machines: &[Machine]) -> Option<Vec<Self>> {
        let mut servers: Vec<Self> =
            machines.iter().map(|machine| Self::new(release, machine)).collect::<Option<_>>()?;
        let routes: Vec<String> = machines.iter().map(|machine| format!("nats://{}:6222", machine.address)).collect();
        for (number, server) in servers.iter_mut().enumerate() {
            let (store, address) = (server.store(), server.machine.address);
            // The servers notice soon that a cable is cut.
            let settings = format!(
                "jetstream {{ store_dir: {store:?} }}\nping_interval: \"1s\"\nping_max: 2\nwrite_deadline: \"2s\"\n\
                 cluster {{ name: desk, listen: \"{address}:6222\", routes: {routes:?}, connect_retries: 1000 }}\n"
            );
            server.configure(&format!("node{number}"), &settings);
        }
        Some(servers)
    }

    fn new(release: Release, machine: &Machine) -> Option<Self> {
        let program = release.program()?;
        let folder = tempfile::Builder::new().prefix("barbus-nats-").tempdir().expect("a temporary directory");
        std::fs::create_dir(folder.path().join("store")).expect("ours");
        Some(Self { machine: machine.clone(), port: machine.free_port(), program, folder, process: None })
    }

    fn configure(&mut self, name: &str, settings: &str) {
        let text = format!("server_name: {name}\nlisten: \"{}:{}\"\n{settings}", self.machine.address, self.port);
        std::fs::write(self.folder.path().join("nats.conf"), text).expect("ours");
    }

    /// The folder of its streams.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}:{}", self.machine.address, self.port)
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn run(&mut self) {
        let mut command = self.machine.command(&self.program);
        command.arg("-c").arg(self.folder.path().join("nats.conf"));
        let process = self.process.insert(Process::start(&mut command, &self.folder.path().join("nats.log")));
        wait::until("a NATS server to listen", || {
            process.assert_running();
            self.machine.enter(|| TcpStream::connect((self.machine.address, self.port)).ok().map(drop))
        });
    }

    /// Kills it; its store stays.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }
}

/// The addresses of several servers, for one client.
pub(crate) fn urls(servers: &[Server]) -> String {
    servers.iter().map(Server::url).collect::<Vec<_>>().join(",")
}
