//! A socket whose process never answers: the state of the files, and what became of a request to
//! close the day.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use barbus::{Bus, ConnectOptions, Error, InitOptions, Publisher, Row, request_close_day_within, stat_within};
use barbus_writer::Writer;

const LIMIT: Duration = Duration::from_millis(200);
const DAY: &str = "2024-07-04";

/// A bus whose writer is in this process, with one bar of an open day.
fn bus(folder: &std::path::Path) -> (Bus, Writer) {
    let bus = Bus::init(&folder.join("bus"), &InitOptions { calendar: "XSHG".into(), preset: None }).unwrap();
    let mut writer = Writer::open(&bus).unwrap();
    let symbol = writer.symbol("600000.XSHG").unwrap();
    let bar = Row { symbol, frame_ms: 1_720_056_660_000, open: 1.0, high: 1.0, low: 1.0, close: 1.0, ..Row::default() };
    writer.push(&bar).unwrap();
    (bus, writer)
}

/// What became of a request to close the day, and what is said of it.
fn given_up(bus: &Bus, limit: Duration) -> (Option<bool>, String) {
    match request_close_day_within(bus, None, limit) {
        Err(Error::GivenUp { why, carried_out, outcome, .. }) => (carried_out, format!("{why}; {outcome}")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mute_daemon_is_named_with_its_process_and_since_when() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, _writer) = bus(folder.path());
    let _listener = UnixListener::bind(bus.socket()).unwrap();
    let stat = stat_within(&bus, LIMIT).unwrap();
    let silent = stat.daemon_silent.unwrap();
    let process = format!("the daemon, process {}, does not answer since 20", std::process::id());
    assert!(silent.starts_with(&process) && silent.ends_with("see its log, or restart it"), "{silent}");
    assert_eq!((stat.bars, stat.pid, stat.pid_here), (1, None, Some(std::process::id())));
    let (carried_out, said) = given_up(&bus, LIMIT);
    assert_eq!(carried_out, Some(false));
    assert!(said.contains(&format!("{DAY} was not closed, it is still open")), "{said}");
    assert!(said.contains("to be sure, run: barbus stat "), "{said}");
}

/// A queue that is full accepts no connection: that takes no longer.
#[test]
fn a_daemon_that_accepts_nobody_is_given_up_too() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, _writer) = bus(folder.path());
    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener.bind(&socket2::SockAddr::unix(bus.socket()).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(bus.socket()).unwrap();
    let options = ConnectOptions { wait: Duration::ZERO, timeout: LIMIT };
    match Publisher::connect_with(&bus, options) {
        Err(Error::Unresponsive { why, .. }) => assert!(why.contains("does not answer since"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(stat_within(&bus, LIMIT).unwrap().daemon_silent.is_some());
}

#[test]
fn a_request_that_was_carried_out_before_the_daemon_fell_silent_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (bus, mut writer) = bus(folder.path());
    let listener = UnixListener::bind(bus.socket()).unwrap();
    let file = bus.archive().join(format!("{DAY}.parquet"));
    // The first one closes the day and hangs, the second one has archived it and hangs up.
    let daemon = std::thread::spawn(move || {
        let (mut asked, _) = listener.accept().unwrap();
        asked.read_exact(&mut [0; 10]).unwrap();
        let day = writer.close_day().unwrap();
        let kept = listener.accept().unwrap();
        let (again, _) = listener.accept().unwrap();
        writer.flush().unwrap();
        drop((asked, kept, again));
        (day, writer)
    });
    let (carried_out, said) = given_up(&bus, Duration::from_secs(2));
    assert_eq!(carried_out, Some(true));
    assert!(said.contains(&format!("{DAY} is closed; it has")), "{said}");
    match request_close_day_within(&bus, Some(DAY.parse().unwrap()), Duration::from_secs(60)) {
        Err(Error::GivenUp { why, carried_out: Some(true), outcome, .. }) => {
            assert!(!why.is_empty());
            assert!(outcome.contains(&format!("{DAY} is closed; it has a file, {}", file.display())), "{outcome}");
        }
        other => panic!("{other:?}"),
    }
    let (day, _writer) = daemon.join().unwrap();
    assert_eq!(day.to_string(), DAY);
}

#[test]
fn without_a_ring_the_outcome_is_unknown_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let options = InitOptions { calendar: "XSHG".into(), preset: None };
    let bus = Bus::init(&folder.path().join("bus"), &options).unwrap();
    let listener = UnixListener::bind(bus.socket()).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"");
        }
    });
    let (carried_out, said) = given_up(&bus, LIMIT);
    assert_eq!(carried_out, None);
    assert!(said.contains("it is not known whether the day was closed"), "{said}");
    assert!(said.contains("barbus stat"), "{said}");
}
