//! Two buses at one prefix, and days that differ: nobody's bars are overwritten.

use std::process::Stdio;

use crate::support::bus::{TestBus, day};
use crate::support::process::Process;
use crate::support::seaweed::{ADMIN, Seaweed};
use crate::support::wait;

#[test]
fn of_two_buses_at_one_prefix_one_is_refused() {
    let server = Seaweed::shared();
    let buses = [TestBus::with_days(2), TestBus::with_days(1)];
    for attempt in 0..3 {
        let url = server.url(&format!("race{attempt}"));
        let children = buses.each_ref().map(|bus| {
            let mut command = server.archive(ADMIN, "push");
            command.arg(bus.path()).arg(&url).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the program starts")
        });
        let ended = children.map(|child| child.wait_with_output().expect("a child can be waited for"));
        let winners: Vec<usize> = (0..2).filter(|&at| ended[at].status.success()).collect();
        let [winner] = winners[..] else { panic!("{ended:?}") };
        let message = String::from_utf8_lossy(&ended[1 - winner].stderr).into_owned();
        assert!(message.contains(buses[winner].path().to_str().unwrap()), "it names the other bus: {message}");
        assert!(message.contains("give each bus a prefix of its own"), "{message}");
        let path = buses[winner].path().to_str().unwrap();
        server.run_archive("verify", &[&url, "--bus", path]).ok();
    }
}

#[test]
fn a_place_that_is_taken_over_ends_the_push_of_before() {
    let server = Seaweed::shared();
    let (mut old, new) = (TestBus::with_days(2), TestBus::with_days(2));
    let url = server.url("taken");
    let mut command = server.archive(ADMIN, "push");
    let watch = Process::start(command.arg("--watch").arg(old.path()).arg(&url), &old.beside("watch.log"));
    wait::until("the first days", || (server.names("taken/1m").len() == 2).then_some(()));
    let old_path = old.path().to_str().unwrap().to_owned();
    // The same bus is not pushed twice at once.
    server.run_archive("push", &[&old_path, &url]).fails(1, &["pushes it to", "already"]);
    let new_path = new.path().to_str().unwrap();
    server.run_archive("push", &[new_path, &url]).fails(1, &[&old_path, "--take-over"]);
    // Both buses have days of the same dates with other lineages: the new one may not replace them.
    let words = [new.file(0).display().to_string(), format!("--replace {}", day(0)), "2 problems".to_owned()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    server.run_archive("push", &[new_path, &url, "--take-over"]).fails(1, &words);
    old.archive_day(2, 10, 5.0);
    let log = old.beside("watch.log");
    assert_eq!(watch.end().code(), Some(1), "the push of before ends");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(new_path), "it names the new bus: {log}");
    assert_eq!(server.names("taken/1m").len(), 2, "it has pushed nothing more");
    let replace = [format!("--replace={}", day(0)), format!("--replace={}", day(1))];
    server.run_archive("push", &[new_path, &url, &replace[0], &replace[1]]).ok();
    server.run_archive("verify", &[&url, "--bus", new_path]).ok();
}
