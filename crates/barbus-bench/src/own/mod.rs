//! What is measured between two processes without anybody else's library: barbus, the limit, and the socket that everybody has.

mod library;
mod raw;
mod ring;
mod unix;

use barbus_bench_link::AnyPeer;
pub(crate) use library::Library;
pub(crate) use ring::Ring;

/// Blocks of the ring between two processes: 4 M rows.
const BLOCKS: u32 = 256;

/// A sender that can leave its readers asleep.
pub(crate) trait Wakes {
    /// Whether each bar wakes them.
    fn set_wakes(&mut self, wakes: bool);
}

pub(crate) fn peers() -> Vec<Box<dyn AnyPeer>> {
    vec![
        Box::new(raw::Raw),
        Box::new(Ring { blocks: BLOCKS }),
        Box::new(Library),
        Box::new(unix::Unix { spinning: false }),
        Box::new(unix::Unix { spinning: true }),
    ]
}
