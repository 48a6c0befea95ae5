//! Connections: how many there are, how long each may take, and which one makes room for another.
//!
//! A client that sends nothing, sends slowly or reads slowly costs one of a bounded number of
//! places. When all are taken, the connection that has been idle longest is closed, so a client
//! that asks always gets a place.

mod body;
mod place;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;

pub(crate) use body::Chunks;
pub(crate) use place::Connections;
use place::Place;

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 1024;
/// Descriptors beside those of connections: rings, archives, libraries.
const OTHER_DESCRIPTORS: u64 = 256;
/// A request must arrive within this time, and the next one of a kept connection begin.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that takes nothing for this long is disconnected.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest head of a request, bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener, router: Router, connections: Arc<Connections>) {
    let limit = raise_descriptor_limit();
    let most = MAX_CONNECTIONS.min(usize::try_from(limit.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(1).max(1));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of descriptors, for example: an idle connection gives one back.
                connections.close_idlest();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while connections.len() >= most && connections.close_idlest() {
            // Its task ends at its next turn, and then its place is free.
            tokio::task::yield_now().await;
        }
        if connections.len() < most {
            tokio::spawn(serve_connection(stream, router.clone(), connections.admit()));
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router, place: Arc<Place>) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = TowerToHyperService::new(router);
    let answer = service_fn(|request: Request<Incoming>| {
        let work = place.begin();
        let answer = service.call(request);
        async move {
            let response: Response = match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            Ok::<_, Infallible>(response.map(|body| work.until_end_of(body)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer);
    tokio::select! {
        // A client that breaks off is no event for anybody.
        _ = connection => {}
        () = place.closed() => {}
    }
}

/// Raises the limit of open descriptors as far as the system allows, and returns it.
fn raise_descriptor_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let wanted = hard.min(MAX_CONNECTIONS as u64 + OTHER_DESCRIPTORS).max(soft);
    match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(_) => soft,
    }
}
