//! Accounts with few rights, keys, and TLS.

use std::path::Path;
use std::process::Command;

use crate::support::bus::TestBus;
use crate::support::market::{MONDAY_MS, minutes};
use crate::support::nats::{Release, Server};
use crate::support::network::Machine;
use crate::support::relay::{Direction, Relay};
use crate::support::wait;
use crate::support::watcher::Watcher;

/// A key of the documentation of NATS.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

/// Bars arrive with these options of the two relays.
fn bars_arrive(here: &TestBus, there: &TestBus, url: &str, out: &[&str], into: &[&str]) {
    let machine = Machine::local();
    let mut out = Relay::start(&machine, Direction::Out, here, url, out);
    wait::until("the stream", || {
        out.process().assert_running();
        out.process().log().contains("the stream was made").then_some(())
    });
    let mut into = Relay::start(&machine, Direction::In, there, url, into);
    let watcher = Watcher::follow(there);
    here.publish(&minutes(5, MONDAY_MS, 10));
    watcher.until_bars(50);
    assert_eq!(watcher.finish().len(), 50);
    into.stop();
    out.stop();
}

fn write(bus: &TestBus, name: &str, text: &str) -> String {
    let path = bus.beside(name);
    std::fs::write(&path, text).expect("ours");
    path.to_str().expect("UTF-8").to_owned()
}

/// The rights that docs/MACHINES.md names suffice, with a password and with a key.
#[test]
fn accounts_with_few_rights_suffice() {
    let settings = format!(
        "authorization {{ users: [\n\
         {{ user: out, password: secret, permissions: \
         {{ publish: [\"barbus.bus.>\", \"$JS.API.>\"], subscribe: \"_INBOX.>\" }} }}\n\
         {{ nkey: {PUBLIC}, permissions: {{ publish: [\"$JS.API.>\", \"$JS.ACK.>\"], subscribe: \"_INBOX.>\" }} }}\n\
         ] }}\n"
    );
    let Some(server) = Server::with(Release::Debian, &Machine::local(), &settings) else { return };
    let (here, there) = (TestBus::start(), TestBus::start());
    let user = write(&here, "user", "out:secret\n");
    let seed = write(&there, "seed", &format!("{SEED}\n"));
    bars_arrive(&here, &there, &server.url(), &["--user-file", &user], &["--nkey", &seed]);
}

/// An authority, and the certificate of a server on the loopback that it has signed.
fn certificates(folder: &Path) {
    let openssl = |line: &str| {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
        let output = output.expect("openssl is installed (the package openssl)");
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n").expect("ours");
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem");
}

#[test]
fn bars_go_over_tls_to_a_server_that_is_trusted() {
    let folder = tempfile::Builder::new().prefix("barbus-tls-").tempdir().expect("a temporary directory");
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let settings = format!("tls {{ cert_file: {:?}, key_file: {:?} }}\n", file("server.pem"), file("server.key"));
    let Some(server) = Server::with(Release::Newest, &Machine::local(), &settings) else { return };
    let (here, there) = (TestBus::start(), TestBus::start());
    let url = server.url().replace("nats://", "tls://");
    // The authorities of the system have not signed it.
    let output = Relay::new(&Machine::local(), Direction::Out, &here, &url, &[]).output();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("barbus: ") && text.contains("--tls-ca"), "{text}");
    let authority = file("ca.pem");
    bars_arrive(&here, &there, &url, &["--tls-ca", &authority], &["--tls-ca", &authority]);
}
