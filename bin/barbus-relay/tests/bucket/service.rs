//! An S3 service: days go there and come back, and each refusal names what to do.

use jiff::{SignedDuration, Timestamp};

use crate::support::bus::{TestBus, day, files};
use crate::support::certificates::Certificates;
use crate::support::fake_clock::FakeClock;
use crate::support::program::finish;
use crate::support::seaweed::{ADMIN, READER, Seaweed, archive_at};

#[test]
fn days_go_to_a_bucket_and_come_back() {
    let server = Seaweed::shared();
    let mut bus = TestBus::with_days(3);
    let (path, url) = (bus.path().to_str().unwrap().to_owned(), server.url("round"));
    let pushed = server.run_archive("push", &[&path, &url, "--format", "json"]).json();
    assert_eq!(pushed["pushed"].as_array().unwrap().len(), 3);
    assert_eq!(server.names("round/1m").len(), 3);
    assert_eq!(server.names("round/1m.upload").len(), 0);
    bus.revise(2, 7, 44.0);
    let pushed = server.run_archive("push", &[&path, &url, "--format", "json"]).json();
    assert_eq!(pushed["pushed"][0]["version"], 2);
    server.run_archive("verify", &[&url, "--bus", &path]).ok();

    let folder = bus.beside("pulled");
    server.run_archive("pull", &[&url, folder.to_str().unwrap()]).ok();
    assert_eq!(files(&folder), bus.files());
    let restored = bus.beside("restored");
    server.run_archive("restore", &[&url, restored.to_str().unwrap()]).ok();
    assert_eq!(files(&restored.join("archive/1m")), bus.files());
    let list = server.run_archive("list", &[&url]).ok();
    assert!(list.contains(&day(2).to_string()), "{list}");
}

#[test]
fn days_go_over_tls_to_a_service_that_is_trusted() {
    let certificates = Certificates::new();
    let server = Seaweed::start_with_tls(&certificates);
    let bus = TestBus::with_days(2);
    let (path, url, endpoint) = (bus.path().to_str().unwrap(), server.url("secret"), server.endpoint_over_tls());
    let mut command = archive_at(&endpoint, ADMIN, "push");
    finish(command.args([path, &url])).fails(1, &["no TLS connection", "SSL_CERT_FILE"]);
    assert_eq!(server.names("secret").len(), 0, "nothing was written");
    for (verb, arguments) in [("push", [path, &url].as_slice()), ("verify", &[&url, "--bus", path])] {
        let mut command = archive_at(&endpoint, ADMIN, verb);
        finish(command.args(arguments).env("SSL_CERT_FILE", certificates.authority())).ok();
    }
}

/// A day that needs several requests: its parts are invisible until the last one has arrived.
#[test]
fn a_large_day_goes_in_parts() {
    let server = Seaweed::shared();
    let bus = TestBus::new();
    let url = server.url("large");
    let path = bus.path().to_str().unwrap();
    // The bytes do not matter to the service; the checksum of the file is that of its content.
    let archive = barbus_archive::Archive::open(
        bus.directory.archive(),
        bus.directory.settings().schema.clone(),
        bus.directory.settings().calendar.name(),
    );
    archive.unwrap().write(day(0), &crate::support::bus::random_rows(400_000), 1, 400_000).unwrap();
    let size = std::fs::metadata(bus.file(0)).unwrap().len();
    assert!(size > 9 << 20, "{size} bytes need no second part");
    server.run_archive("push", &[path, &url]).ok();
    server.run_archive("verify", &[&url, "--bus", path]).ok();
}

#[test]
fn a_refusal_names_what_to_do() {
    let server = Seaweed::shared();
    let bus = TestBus::with_days(1);
    let path = bus.path().to_str().unwrap();
    let url = server.url("refused");
    let push = |account| finish(server.archive(account, "push").args([path, &url]));
    push(("nobody", "x")).fails(1, &["does not know the access key", "AWS_ACCESS_KEY_ID"]);
    push((ADMIN.0, "wrong")).fails(1, &["the secret key is wrong", "AWS_SECRET_ACCESS_KEY"]);
    push(READER).fails(1, &["no permission", "s3:PutObject"]);
    assert_eq!(server.names("refused").len(), 0, "nothing was written");
    server.run_archive("push", &[path, "s3://no-such-bucket/x"]).fails(1, &["there is no such bucket"]);
    server.run_archive("list", &[&url]).fails(1, &["no days were pushed to it"]);
    push(ADMIN).ok();
    finish(server.archive(READER, "verify").arg(&url)).ok();

    let clock = Timestamp::now() + SignedDuration::from_hours(24);
    let Some(clock) = FakeClock::showing(&clock.to_string(), bus.beside("clock")) else { return };
    let mut command = server.archive(ADMIN, "push");
    finish(command.args([path, &url]).envs(clock.environment())).fails(1, &["the clock of this machine", "NTP"]);
}
