//! A real S3 server, SeaweedFS, on loopback. Dropping it kills it and removes its files.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tempfile::TempDir;

use super::certificates::Certificates;
use super::process::Process;
use super::program::{self, Finished};
use super::{venv, wait};

/// The bucket of the tests. Each test has prefixes of its own in it.
pub(crate) const BUCKET: &str = "bars";
/// The account that may do everything.
pub(crate) const ADMIN: (&str, &str) = ("admin", "secret-of-admin");
/// The account that may only read.
pub(crate) const READER: (&str, &str) = ("reader", "secret-of-reader");

/// The programs that the tests install.
pub(crate) fn environment() -> PathBuf {
    venv::environment(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bucket/requirements.txt"))
}

/// A server.
pub(crate) struct Seaweed {
    folder: TempDir,
    ports: Ports,
    process: Option<Process>,
}

/// The ports of its parts.
#[derive(Clone, Copy)]
struct Ports {
    s3: u16,
    s3_over_tls: u16,
    filer: u16,
    others: [u16; 6],
}

impl Ports {
    fn free() -> Self {
        // All at once, so that they differ.
        let listeners = [(); 9].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let ports = listeners.each_ref().map(|port| port.local_addr().expect("it is bound").port());
        let [s3, s3_over_tls, filer, others @ ..] = ports;
        Self { s3, s3_over_tls, filer, others }
    }
}

impl Seaweed {
    /// The server of all tests that change nothing about it. It runs as long as a test uses it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Seaweed>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|error| error.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of a test's own.
    pub(crate) fn start() -> Self {
        let mut server = Self::new();
        server.run();
        server
    }

    /// A server of a test's own that has an address with TLS as well.
    pub(crate) fn start_with_tls(certificates: &Certificates) -> Self {
        let mut server = Self::new();
        let options = [
            format!("-s3.port.https={}", server.ports.s3_over_tls),
            format!("-s3.cert.file={}", certificates.server().display()),
            format!("-s3.key.file={}", certificates.server_key().display()),
        ];
        server.run_with(&options.each_ref().map(String::as_str), Self::stores_files);
        server
    }

    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("barbus-s3-").tempdir().expect("a temporary directory");
        std::fs::create_dir(folder.path().join("data")).expect("ours");
        let account = |(key, secret): (&str, &str), actions: &[&str]| {
            serde_json::json!({"name": key, "credentials": [{"accessKey": key, "secretKey": secret}],
                "actions": actions})
        };
        let accounts =
            [account(ADMIN, &["Admin", "Read", "List", "Tagging", "Write"]), account(READER, &["Read", "List"])];
        let accounts = serde_json::json!({"identities": accounts}).to_string();
        std::fs::write(folder.path().join("accounts.json"), accounts).expect("ours");
        Self { folder, ports: Ports::free(), process: None }
    }

    /// Starts it, and waits until it stores files.
    pub(crate) fn run(&mut self) {
        self.run_with(&[], Self::stores_files);
    }

    fn stores_files(&self) -> Option<String> {
        self.try_http("PUT", "/ready", "yes").filter(|answer| answer.contains(" 201 "))
    }

    /// Starts it with its files of before and no room for another one.
    pub(crate) fn run_without_room(&mut self) {
        let is_ready = |server: &Self| {
            server.try_http("PUT", "/more", "yes").filter(|answer| answer.contains(" 500 "))?;
            server.try_http("GET", "/ready", "").filter(|answer| answer.contains(" 200 "))
        };
        // All of its disk is to be free, which it never is.
        self.run_with(&["-volume.minFreeSpace=100"], is_ready);
    }

    fn run_with(&mut self, options: &[&str], is_ready: impl Fn(&Self) -> Option<String>) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let Ports { s3, filer, others, .. } = self.ports;
        let mut command = Command::new(environment().join("bin/weed"));
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-master.telemetry=false"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]);
        command.arg(format!("-dir={}", path("data"))).arg(format!("-s3.config={}", path("accounts.json")));
        command.arg(format!("-filer.localSocket={}", path("filer.sock")));
        command.arg(format!("-s3.localSocket={}", path("s3.sock")));
        command.arg(format!("-s3.port={s3}")).arg(format!("-filer.port={filer}"));
        let names =
            ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc"];
        command.args(names.iter().zip(others).map(|(name, port)| format!("-{name}={port}")));
        command.args(options).env("HOME", self.folder.path()).current_dir(self.folder.path());
        let log = self.folder.path().join("weed.log");
        self.process = Some(Process::start(&mut command, &log));
        wait::until("the S3 server to be ready", || {
            self.process.as_mut().expect("it was just started").assert_running();
            TcpStream::connect(("127.0.0.1", s3)).ok()?;
            is_ready(self)
        });
        self.http("POST", &format!("/buckets/{BUCKET}/"), "");
        // Its parts know of the bucket one after the other.
        wait::until("the bucket", || {
            let list = self.run_archive("list", &[&self.url("nothing")]);
            list.stderr.contains("no days were pushed").then_some(())
        });
    }

    /// Kills it as `kill -9` does; its files stay.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Its process.
    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.s3
    }

    /// The address of its S3 interface.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.s3)
    }

    /// Its address with TLS.
    pub(crate) fn endpoint_over_tls(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.s3_over_tls)
    }

    /// The URL of a prefix.
    pub(crate) fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// `barbus-relay archive VERB`, with this server's address and the credentials of an account.
    pub(crate) fn archive(&self, account: (&str, &str), verb: &str) -> Command {
        archive_at(&self.endpoint(), account, verb)
    }

    /// Runs a command with the account that may do everything.
    pub(crate) fn run_archive(&self, verb: &str, arguments: &[&str]) -> Finished {
        program::finish(self.archive(ADMIN, verb).args(arguments))
    }

    /// The names in a folder of the bucket.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let answer = self.http("GET", &format!("/buckets/{BUCKET}/{folder}/?limit=1000"), "");
        let Some(at) = answer.find("\r\n\r\n") else { return Vec::new() };
        let Ok(listed) = serde_json::from_str::<serde_json::Value>(answer[at..].trim()) else { return Vec::new() };
        let entries = listed["Entries"].as_array().cloned().unwrap_or_default();
        let name = |entry: &serde_json::Value| Some(entry["FullPath"].as_str()?.rsplit('/').next()?.to_owned());
        entries.iter().filter_map(name).collect()
    }

    fn http(&self, method: &str, path: &str, body: &str) -> String {
        wait::until("an answer of the S3 server", || self.try_http(method, path, body))
    }

    /// Asks the part of it that knows no accounts.
    fn try_http(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.filer)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

/// `barbus-relay archive VERB` with a service at this address, and the credentials of an account.
pub(crate) fn archive_at(endpoint: &str, (key, secret): (&str, &str), verb: &str) -> Command {
    let mut command = program::archive();
    command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret);
    command.args([verb, "--allow-http", "--endpoint", endpoint]);
    command
}
