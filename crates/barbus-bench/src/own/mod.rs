//! The systems of this program: barbus's ring and library, the raw limit, and Unix sockets.

pub(crate) mod bursts;
mod library;
mod raw;
mod ring;
mod unix;

use std::path::Path;

use barbus_bench_link::{AnyPeer, Peer, Wait};
pub(crate) use library::{Library, bar_of};
pub(crate) use ring::{Ring, RingReceiver, row};

/// The name of the limit for the latency of one bar.
pub(crate) const LIMIT: &str = "raw ping-pong";

/// Blocks of the ring between two processes, 4 million rows.
const BLOCKS: u32 = 256;

/// A peer whose receivers may attach later.
pub(crate) trait Attach: Peer<Sender: Wakes> {
    /// Like [`Peer::receiver`], from bar `next` on.
    fn attach(&self, directory: &Path, name: &str, wait: Wait, next: u64) -> anyhow::Result<Self::Receiver>;
}

/// A sender that can publish without waking its readers.
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
