//! The service is killed, slow or full, or the push is killed: readers see whole days only.

use nix::sys::signal::Signal;

use crate::support::bus::{TestBus, day};
use crate::support::process::Process;
use crate::support::program::{self, finish};
use crate::support::proxy::Proxy;
use crate::support::seaweed::{ADMIN, Seaweed, archive_at};
use crate::support::wait;

/// A push that is killed in the middle of each of its steps: what readers see is a state of before
/// or of after, and the next push completes it.
#[test]
fn a_killed_push_has_changed_nothing_or_is_completed() {
    let server = Seaweed::shared();
    let mut bus = TestBus::with_days(2);
    let path = bus.path().to_str().unwrap().to_owned();
    let (url, proxy) = (server.url("killed"), Proxy::to(server.port()));
    server.run_archive("push", &[&path, &url]).ok();
    let steps =
        ["PUT /bars/killed/1m.upload/", "PUT /bars/killed/manifest/", "PUT /bars/killed/1m/", "POST /bars?delete"];
    for (number, step) in steps.into_iter().enumerate() {
        bus.revise(0, 3, 60.0 + number as f64);
        bus.archive_day(2 + number as i64, 60, 10.0);
        proxy.stall_in(step);
        let mut command = archive_at(&proxy.endpoint(), ADMIN, "push");
        let push = Process::start(command.args([&path, &url]), &bus.beside("push.log"));
        wait::until(step, || proxy.has_stalled().then_some(()));
        push.kill();
        proxy.pass();
        // Every day that the manifest names is whole, whichever version of the manifest it is.
        let pulled = bus.beside(&format!("pulled{number}"));
        server.run_archive("pull", &[&url, pulled.to_str().unwrap()]).ok();
        let days = 2 + number + usize::from(number >= 2);
        assert_eq!(crate::support::bus::files(&pulled).len(), days, "after a kill in {step}");
        server.run_archive("push", &[&path, &url]).ok();
        server.run_archive("verify", &[&url, "--bus", &path]).ok();
        assert_eq!(server.names("killed/1m.upload").len(), 0);
    }
}

#[test]
fn a_service_that_is_killed_or_hangs_is_an_error_with_its_reason() {
    let mut server = Seaweed::start();
    let mut bus = TestBus::with_days(1);
    let path = bus.path().to_str().unwrap().to_owned();
    let url = server.url("out");
    server.run_archive("push", &[&path, &url]).ok();
    bus.archive_day(1, 60, 10.0);

    let proxy = Proxy::to(server.port());
    proxy.stall_in("PUT /bars/out/1m.upload/");
    let mut command = archive_at(&proxy.endpoint(), ADMIN, "push");
    finish(command.args([&path, &url, "--request-timeout", "1"])).fails(1, &["no answer in time", "--request-timeout"]);
    let status = program::run(["status", &path]).ok();
    assert!(status.contains("failing since") && status.contains("1 day waiting"), "{status}");
    program::run(["status", &path, "--check"]).fails(1, &["1 day waiting", "no answer in time"]);

    // The server dies in the middle of an upload.
    proxy.stall_in("PUT /bars/out/1m.upload/");
    let mut command = archive_at(&proxy.endpoint(), ADMIN, "push");
    let push = Process::start(command.args([&path, &url, "--request-timeout", "5"]), &bus.beside("push.log"));
    wait::until("an upload", || proxy.has_stalled().then_some(()));
    server.kill();
    proxy.pass();
    assert_eq!(push.end().code(), Some(1));
    let log = std::fs::read_to_string(bus.beside("push.log")).unwrap();
    assert!(log.contains("no connection") || log.contains("the connection broke"), "{log}");
    server.run_archive("list", &[&url]).fails(1, &["no connection: check the network and --endpoint"]);

    server.run();
    server.run_archive("verify", &[&url]).ok();
    server.run_archive("push", &[&path, &url]).ok();
    server.run_archive("verify", &[&url, "--bus", &path]).ok();
    program::run(["status", &path, "--check"]).ok();
    server.process().signal(Signal::SIGSTOP);
    let list = server.run_archive("list", &[&url, "--request-timeout", "1"]);
    server.process().signal(Signal::SIGCONT);
    list.fails(1, &["no answer in time"]);
}

#[test]
fn a_full_service_is_an_error_and_nothing_is_half_there() {
    let mut server = Seaweed::start();
    let mut bus = TestBus::with_days(1);
    let path = bus.path().to_str().unwrap().to_owned();
    let url = server.url("full");
    server.run_archive("push", &[&path, &url]).ok();
    bus.archive_day(1, 60, 10.0);
    bus.revise(0, 5, 20.0);
    server.kill();
    server.run_without_room();
    server.run_archive("push", &[&path, &url]).fails(1, &["the service failed", "have room"]);
    server.run_archive("verify", &[&url]).ok();
    assert_eq!(server.names("full/1m"), [format!("{}.parquet", day(0))]);
    server.kill();
    server.run();
    server.run_archive("push", &[&path, &url]).ok();
    server.run_archive("verify", &[&url, "--bus", &path]).ok();
}
