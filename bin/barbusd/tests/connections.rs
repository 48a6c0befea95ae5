//! Connections to the daemon: their limit, rejections, and how they end at shutdown.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use arrow::ipc::writer::StreamWriter;
use barbus::protocol::Ack;
use nix::sys::signal::Signal;

use support::*;

const DAY: &str = "2024-03-04";
/// The limits in docs/OPERATING.md.
const MAX_PRODUCERS: usize = 512;
const MAX_REQUESTS: usize = 32;

/// Sends a `stat` request. Returns the open connection and the answer.
fn asking(bus: &Bus) -> (UnixStream, String) {
    let stream = UnixStream::connect(bus.socket()).unwrap();
    // The daemon may close a rejected connection before the request is sent.
    let _ = (&stream).write_all(b"{\"stat\":{}}\n");
    let mut answer = String::new();
    let _ = BufReader::new(&stream).read_line(&mut answer);
    (stream, answer)
}

#[test]
fn one_connection_too_many_is_rejected_and_the_others_continue() {
    let bus = Bus::running();
    let day = bars(DAY, &["600000.XSHG"], 240);
    let whole = stream(&[day.slice(0, 100), day.slice(100, 140)]);
    let mut producer = Connection::to(&bus);
    producer.send(&whole[..whole.len() - 1_000]);
    assert_eq!(producer.ack(), Ack { rows: 100, accepted: 100, seq: Some(99), ..Ack::default() });
    let silent: Vec<UnixStream> = (1..MAX_PRODUCERS).map(|_| UnixStream::connect(bus.socket()).unwrap()).collect();
    let mut one_more = Connection::to(&bus);
    one_more.send(&whole[..8]);
    assert_eq!(one_more.error(), format!("too many connections: {MAX_PRODUCERS} at once"));
    // Requests have places of their own.
    let mut asked = Vec::new();
    let rejected = loop {
        let (stream, answer) = asking(&bus);
        if answer.starts_with("{\"error\"") {
            break answer;
        }
        assert!(answer.contains("\"bars\":100"), "{answer:?}");
        asked.push(stream);
    };
    assert_eq!(rejected, format!("{{\"error\":\"too many connections: {MAX_REQUESTS} at once\"}}\n"));
    assert_eq!(asked.len(), MAX_REQUESTS);
    drop(asked);
    until("room for requests", || asking(&bus).1.contains("\"bars\":100").then_some(()));

    producer.send(&whole[whole.len() - 1_000..whole.len() - 8]);
    assert_eq!(producer.ack(), Ack { rows: 240, accepted: 240, seq: Some(239), ..Ack::default() });
    drop(silent);
    until("room for others", || asking(&bus).1.contains("\"bars\":240").then_some(()));
}

/// A producer may send everything before it reads. Where the socket has no room for its
/// acknowledgements, the error still arrives after them.
#[test]
fn a_producer_that_has_read_nothing_gets_acknowledgements_and_the_error() {
    let bus = Bus::running();
    let day = bars(DAY, &["600000.XSHG", "600001.XSHG", "600002.XSHG", "600003.XSHG"], 240);
    let bytes = stream(&singly(&day));
    let mut producer = Connection::to(&bus);
    producer.send(&bytes[..bytes.len() - 8]);
    // More than the socket holds: the write returns only if the daemon drains the socket.
    producer.send(&vec![b'x'; 4 << 20]);
    let answers = producer.rest();
    let (error, acks) = answers.split_last().unwrap();
    assert_eq!(acks.last().unwrap()["rows"], 960);
    let error = error["error"].as_str().unwrap_or_else(|| panic!("{error}"));
    assert!(error.contains("not an Arrow IPC stream"), "{error}");
}

/// A peer that is rejected in the middle of a long write can finish it and read the reason.
#[test]
fn a_peer_rejected_during_a_write_reads_the_reason() {
    let bus = Bus::running();
    let mut peer = UnixStream::connect(bus.socket()).unwrap();
    // More than the socket holds.
    peer.write_all(&vec![b'x'; 1 << 20]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("not an Arrow IPC stream"), "{answer:?}");
}

/// A signal ends the daemon in every state of its peers, and acknowledged bars are kept.
#[test]
fn the_shutdown_does_not_wait_for_peers() {
    let mut bus = Bus::running();
    let day = bars(DAY, &["600000.XSHG", "600001.XSHG", "600002.XSHG", "600003.XSHG"], 240);
    let silent = UnixStream::connect(bus.socket()).unwrap();
    let whole = stream(std::slice::from_ref(&day));
    let mut half = Connection::to(&bus);
    half.send(&whole[..whole.len() / 2]);
    // A producer that reads nothing, until the socket has no room for acknowledgements.
    let single = singly(&day);
    let mut never = Connection::to(&bus);
    never.send(&stream(&single));
    until("all that was sent", || (bus.stat().bars == 960).then_some(()));
    // A producer that keeps sending.
    let sending = UnixStream::connect(bus.socket()).unwrap();
    let endless = std::thread::spawn(move || {
        let bytes = stream(&single);
        let batches = &bytes[..bytes.len() - 8];
        let schema = StreamWriter::try_new(Vec::new(), &day.schema()).unwrap().get_ref().len();
        let mut sent = (&sending).write_all(batches);
        while sent.is_ok() {
            sent = (&sending).write_all(&batches[schema..]);
        }
    });
    until("a producer that sends", || (bus.stat().duplicates > Some(0)).then_some(()));
    assert_eq!(bus.end(Signal::SIGTERM).code(), Some(0));
    endless.join().unwrap();
    // The shutdown cut the message in half, so its sender gets no error.
    assert_eq!(half.line(), None);
    assert_eq!(BufReader::new(&silent).lines().count(), 0);

    bus.start(&[]);
    assert_eq!(bus.stat().bars, 960);
}
