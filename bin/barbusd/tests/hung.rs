//! A daemon that is stopped or hung hangs nobody: the library's time limits.

mod support;

use std::time::{Duration, Instant};

use barbus::{Error, Publisher};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::*;

const DAY: &str = "2024-03-04";
/// Longer than every limit on a slow machine, and shorter than a test's patience.
const LONG: Duration = Duration::from_secs(60);

/// Stops the daemon. SIGSTOP is a request: a busy process goes on until its main thread has been
/// given the processor, so this waits until every thread has stopped.
fn stop(bus: &Bus) {
    kill(Pid::from_raw(bus.pid() as i32), Signal::SIGSTOP).unwrap();
    until("the daemon to stop", || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", bus.pid())).unwrap();
        let stats = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap());
        stats.into_iter().all(|stat| stat.rsplit(") ").next().unwrap().starts_with('T')).then_some(())
    });
}

#[test]
fn a_stopped_daemon_hangs_nobody() {
    let bus = Bus::running();
    let opened = barbus::Bus::open(bus.path()).unwrap();
    let day = bars(DAY, &["600000.XSHG"], 240);
    let mut connected = Publisher::connect(&opened).unwrap();
    assert_eq!(connected.send(&day.slice(0, 10)).unwrap().accepted, 10);
    stop(&bus);
    let stopped = format!("process {}, is stopped: to let it go on, run: kill -CONT {0}", bus.pid());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let (bus, day) = (&opened, &day);
        let stat = scope.spawn(move || barbus::stat(bus).unwrap());
        let close = scope.spawn(move || barbus::request_close_day(bus, None).unwrap_err());
        let sent = scope.spawn(move || connected.send(day).unwrap_err());
        let reconnecting = scope.spawn(move || {
            let mut publisher = Publisher::connect(bus).unwrap().reconnect_for(LONG);
            publisher.send(day).unwrap_err()
        });
        // What the files show, and why the daemon says nothing.
        let stat = stat.join().unwrap();
        let silent = stat.daemon_silent.clone().unwrap();
        assert!(silent.contains(&stopped), "{silent}");
        assert_eq!((stat.bars, stat.pid, stat.day), (10, None, Some(DAY.parse().unwrap())));
        assert_eq!(stat.alarms(), [silent]);
        match close.join().unwrap() {
            Error::GivenUp { why, carried_out: Some(false), outcome, .. } => {
                assert!(why.contains(&stopped), "{why}");
                assert!(outcome.starts_with(&format!("{DAY} was not closed, it is still open")), "{outcome}");
            }
            other => panic!("{other:?}"),
        }
        for sent in [sent, reconnecting] {
            let error = sent.join().unwrap();
            assert!(matches!(error, Error::Unresponsive { .. }), "{error:?}");
            assert!(error.to_string().contains(&stopped), "{error}");
        }
    });
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    // No harm is done: the daemon continues, and what is sent again is a duplicate or new.
    kill(Pid::from_raw(bus.pid() as i32), Signal::SIGCONT).unwrap();
    // A request to close the day that its client has given up is not carried out hours later.
    until("the request to be dropped", || bus.log().contains("request dropped").then_some(()));
    assert_eq!(bus.stat().day, Some(DAY.parse().unwrap()));
    let ack = Publisher::connect(&opened).unwrap().send(&day).unwrap();
    assert_eq!((ack.rows, ack.accepted + ack.duplicate), (240, 240));
    assert_eq!(barbus::stat(&opened).unwrap().bars, 240);
}

/// A daemon that waits for its archive lives: a producer waits for it longer than any limit.
#[test]
fn a_daemon_that_waits_for_a_disk_is_waited_for() {
    let mut bus =
        Bus::new("calendar = \"XSHG\"\n[ring]\nsize = \"1MB\"\nrows_per_block = 64\ntip_rows = 64\nsymbols = 256\n");
    bus.start(&[]);
    let archive = bus.path().join("archive/1m");
    std::fs::remove_dir_all(&archive).unwrap();
    std::fs::write(&archive, "in the way").unwrap();
    let symbols: Vec<String> = (0..100).map(|number| format!("{:06}.XSHG", 600_000 + number)).collect();
    let day = bars(DAY, &symbols.iter().map(String::as_str).collect::<Vec<_>>(), 240);
    let opened = barbus::Bus::open(bus.path()).unwrap();
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| Publisher::connect(&opened).unwrap().send(&day));
        until("a full ring", || (bus.stat().blocks_used == bus.stat().blocks).then_some(()));
        // Longer than the time limit of five seconds.
        std::thread::sleep(Duration::from_secs(7));
        assert!(!producer.is_finished());
        std::fs::remove_file(&archive).unwrap();
        assert_eq!(producer.join().unwrap().unwrap().accepted, 24_000);
    });
}
