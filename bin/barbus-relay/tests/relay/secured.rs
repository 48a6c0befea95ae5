//! Accounts with few rights, keys, and TLS.

use crate::support::accounts::Operator;
use crate::support::bus::TestBus;
use crate::support::certificates::Certificates;
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

/// The same rights in credentials files of users of an operator's account. Credentials that have
/// expired, and those of another operator, are refused.
#[test]
fn credentials_of_an_operator_suffice_until_they_expire() {
    let operator = Operator::new();
    let Some(server) = Server::with(Release::Newest, &Machine::local(), &operator.settings()) else { return };
    let (here, there) = (TestBus::start(), TestBus::start());
    let rights: [&[&str]; 2] = [&["barbus.bus.>", "$JS.API.>"], &["_INBOX.>"]];
    let expired = operator.credentials(rights[0], rights[1], Some(1_700_000_001));
    let unknown = Operator::new().credentials(rights[0], rights[1], None);
    for (name, credentials) in [("expired", expired), ("unknown", unknown)] {
        let file = write(&here, name, &credentials);
        let output = Relay::new(&Machine::local(), Direction::Out, &here, &server.url(), &["--creds", &file]).output();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(text.contains("barbus: ") && text.contains("check --creds"), "{name}: {text}");
    }
    let out = write(&here, "out.creds", &operator.credentials(rights[0], rights[1], None));
    let into = operator.credentials(&["$JS.API.>", "$JS.ACK.>"], &["_INBOX.>"], None);
    let into = write(&there, "in.creds", &into);
    bars_arrive(&here, &there, &server.url(), &["--creds", &out], &["--creds", &into]);
}

#[test]
fn bars_go_over_tls_to_a_server_that_is_trusted() {
    let certificates = Certificates::new();
    let settings =
        format!("tls {{ cert_file: {:?}, key_file: {:?} }}\n", certificates.server(), certificates.server_key());
    let Some(server) = Server::with(Release::Newest, &Machine::local(), &settings) else { return };
    let (here, there) = (TestBus::start(), TestBus::start());
    let url = server.url().replace("nats://", "tls://");
    // The authorities of the system have not signed it.
    let output = Relay::new(&Machine::local(), Direction::Out, &here, &url, &[]).output();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("barbus: ") && text.contains("--tls-ca"), "{text}");
    let authority = certificates.authority();
    let trust = ["--tls-ca", authority.to_str().expect("UTF-8")];
    bars_arrive(&here, &there, &url, &trust, &trust);
}
