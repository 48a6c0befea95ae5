//! Days of a bucket, replayed to a running bus.

use crate::support::bus::{TestBus, day};
use crate::support::seaweed::Seaweed;
use crate::support::{daemon, wait};

#[test]
fn days_of_a_bucket_are_replayed_to_a_bus() {
    let server = Seaweed::shared();
    let bus = TestBus::with_days(3);
    let (path, url) = (bus.path().to_str().unwrap().to_owned(), server.url("replayed"));
    server.run_archive("push", &[&path, &url]).ok();
    let target = TestBus::new();
    let into = target.path().to_str().unwrap().to_owned();
    // What the bus assumes of its producers does not matter.
    let text = std::fs::read_to_string(target.path().join("bus.toml")).unwrap();
    let text = text.replacen("# label = \"end\"", "label = \"start\"", 1);
    std::fs::write(target.path().join("bus.toml"), text).unwrap();
    let daemon = daemon::start(&target.directory, &target.beside("daemon.log"), &[]);
    let (from, to) = (day(1).to_string(), day(2).to_string());
    let range = ["--from", &from, "--to", &to, "--into", &into];
    let replay = |options: &[&str]| {
        let mut arguments = vec![url.as_str()];
        arguments.extend(range);
        arguments.extend(options);
        server.run_archive("replay", &arguments)
    };
    let report = replay(&["--format", "json"]).json();
    assert_eq!((&report["days"], &report["rows"], &report["acked"]["accepted"]), (&2.into(), &480.into(), &480.into()));
    let again = replay(&["--symbol", "B", "--speed", "1000000x", "--format", "json"]).json();
    assert_eq!((&again["rows"], &again["acked"]["duplicate"]), (&240.into(), &240.into()));
    replay(&["--symbol", "NONE"]).fails(1, &["no bar of NONE"]);
    let early = ["--from", "2020-01-01", "--to", "2020-01-02", "--into", &into];
    let early: Vec<&str> = [url.as_str()].into_iter().chain(early).collect();
    server.run_archive("replay", &early).fails(1, &["nothing to replay", "it has 3 days"]);

    barbus::request_close_day(&target.directory, None).unwrap();
    let rows =
        |bus: &TestBus, number: i64| bus.directory.open_archive().read(day(number)).unwrap().map(|found| found.1);
    wait::until("both days", || (target.files().len() == 2).then_some(()));
    for number in [1, 2] {
        assert_eq!(rows(&target, number), rows(&bus, number), "the same bars");
    }
    daemon.stop();
}
