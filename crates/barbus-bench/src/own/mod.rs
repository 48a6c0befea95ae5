//! What is measured between two processes without anybody else's library: barbus, the limit, and the socket that everybody has.

mod library;
mod raw;
mod ring;
mod unix;

use barbus_bench_link::AnyPeer;

pub(crate) fn peers() -> Vec<Box<dyn AnyPeer>> {
    vec![
        Box::new(raw::Raw),
        Box::new(ring::Ring),
        Box::new(library::Library),
        Box::new(unix::Unix { spinning: false }),
        Box::new(unix::Unix { spinning: true }),
    ]
}
