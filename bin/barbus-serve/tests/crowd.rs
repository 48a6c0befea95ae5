//! Idle, slow and many clients: nobody else waits for them.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::http::{connect, read_answer};
use crate::support::market::{Market, OPEN_MS};
use crate::support::server::Server;
use crate::support::until;

/// The metric of this name.
fn metric(server: &Server, name: &str) -> f64 {
    let metrics = server.get("/metrics");
    let line = metrics.text().lines().find(|line| line.starts_with(name)).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no {name}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn a_thousand_idle_connections_starve_nobody() {
    let market = Market::stocks();
    let server = Server::start(&market.path());
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 4096, 4096).unwrap_or_default();
    // Some say nothing, some half a head, some keep their connection after an answer.
    let mut idle: Vec<TcpStream> = Vec::new();
    for which in 0..1200 {
        let mut stream = connect(server.address);
        match which % 3 {
            0 => {}
            1 => stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: local").unwrap(),
            _ => stream.write_all(b"GET /api/buses HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap(),
        }
        idle.push(stream);
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/api/buses").status, 200);
    assert!(metric(&server, "barbus_serve_connections ") <= 1024.0);
    assert!(metric(&server, "barbus_serve_connections_closed_total") >= 170.0);
    drop(idle);
    until("the connections to end", || (metric(&server, "barbus_serve_connections ") < 20.0).then_some(()));
}

#[test]
fn clients_that_read_nothing_do_not_keep_the_answers_of_others() {
    let mut market = Market::stocks();
    market.push_minutes(&["000001.XSHE", "600000.XSHG"], OPEN_MS, 1, 120);
    let server = Server::start(&market.path());
    // More than there are places for answers; none of them reads.
    let ask = b"GET /api/bars HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = connect(server.address);
            stream.write_all(ask).unwrap();
            stream
        })
        .collect();
    // An answer that fits into the buffers of the system is sent, and its place is free again.
    assert_eq!(server.get("/api/bars?last=1").status, 200);
    assert_eq!(server.get("/metrics").status, 200);
    for mut stream in slow {
        let answer = read_answer(&mut stream);
        assert!([200, 503].contains(&answer.status), "{}", answer.head);
    }
}

#[test]
fn pages_have_a_limit_and_a_slow_page_costs_no_memory() {
    let market = Market::stocks();
    let server = Server::start(&market.path());
    let live = |server: &Server| {
        let mut stream = connect(server.address);
        stream.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        (stream, String::from_utf8_lossy(&head[9..]).into_owned())
    };
    let pages: Vec<(TcpStream, String)> = (0..129).map(|_| live(&server)).collect();
    let refused = pages.iter().filter(|(_, status)| status == "503").count();
    assert_eq!(refused, 1, "128 pages are served");
    assert_eq!(server.get("/metrics").status, 200, "pages do not keep others away");
    drop(pages);
    until("a place for a page", || (live(&server).1 == "200").then_some(()));
}

#[test]
fn a_long_head_is_refused() {
    let market = Market::stocks();
    let server = Server::start(&market.path());
    let mut stream = connect(server.address);
    stream
        .write_all(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000)).as_bytes())
        .unwrap_or_default();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(server.get("/api/buses").status, 200);
}
