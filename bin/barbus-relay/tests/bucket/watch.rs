//! A push beside the daemon, through an outage of the service.

use std::path::Path;

use crate::support::bus::{TestBus, day, files};
use crate::support::process::Process;
use crate::support::program;
use crate::support::seaweed::{ADMIN, Seaweed};
use crate::support::wait;

#[test]
fn a_watching_push_follows_the_archive_through_an_outage() {
    let mut server = Seaweed::start();
    let mut bus = TestBus::with_days(1);
    let url = server.url("watched");
    let log = bus.beside("watch.log");
    let mut command = server.archive(ADMIN, "push");
    command.arg("--watch").arg(bus.path()).arg(&url).args(["--request-timeout", "5"]);
    let mut watch = Process::start(&mut command, &log);
    let days = |server: &Seaweed, number: usize| {
        wait::until("a day in the bucket", || (server.names("watched/1m").len() == number).then_some(()));
    };
    days(&server, 1);
    bus.archive_day(1, 30, 10.0);
    days(&server, 2);
    let status = program::run([Path::new("status"), bus.path()]).ok();
    assert!(status.contains("watches"), "{status}");

    server.kill();
    bus.archive_day(2, 30, 10.0);
    bus.revise(0, 5, 33.0);
    wait::until("a warning", || watch.log().contains("no connection").then_some(()));
    watch.assert_running();
    server.run();
    days(&server, 3);
    wait::until("the late bars", || {
        let pulled = bus.beside("pulled");
        let _ = std::fs::remove_dir_all(&pulled);
        server.run_archive("pull", &[&url, pulled.to_str().unwrap()]).ok();
        (files(&pulled) == bus.files()).then_some(())
    });
    assert!(watch.log().contains(&format!("day={}", day(1))), "{}", watch.log());
    watch.stop();
    server.run_archive("verify", &[&url, "--bus", bus.path().to_str().unwrap()]).ok();
}
