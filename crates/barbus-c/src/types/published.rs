//! What a producer sends, and what it is answered.

use super::BARBUS_OPTIONAL;
use crate::raw::{CText, Versioned};

/// What bus.toml says.
pub const BARBUS_ACK_DEFAULT: i32 = 0;
/// Bars are acknowledged after the commit to the ring: they survive a crash of the daemon.
pub const BARBUS_ACK_COMMIT: i32 = 1;
/// Bars are acknowledged after the sync to disk: they survive a loss of power.
pub const BARBUS_ACK_DURABLE: i32 = 2;

/// How a publisher is opened. A struct of zeros with its size has the default of each field.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_publisher_options<'a> {
    /// Set it to sizeof(barbus_publisher_options).
    pub(crate) size: usize,
    /// The name of the source, which the quarantine keeps with each invalid row; null: none.
    pub(crate) source: CText<'a>,
    /// One of BARBUS_ACK_….
    pub(crate) ack: i32,
    /// If the connection breaks, milliseconds for which it is tried again; 0: not at all. Bars that
    /// were not acknowledged are then sent again.
    pub(crate) reconnect_ms: i32,
}

impl Versioned for barbus_publisher_options<'_> {
    const NAME: &'static str = "barbus_publisher_options";
    fn size(&self) -> usize {
        self.size
    }
}

/// A bar to be published.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_new_bar<'a> {
    /// The symbol, which ends with NUL.
    pub(crate) symbol: CText<'a>,
    /// The end of the bar, milliseconds since 1970-01-01 UTC; its beginning if bus.toml says that
    /// producers label bars by their start.
    pub(crate) frame_ms: i64,
    /// First price.
    pub(crate) open: f64,
    /// Highest price.
    pub(crate) high: f64,
    /// Lowest price.
    pub(crate) low: f64,
    /// Last price.
    pub(crate) close: f64,
    /// Volume.
    pub(crate) volume: f64,
    /// The optional columns in the order of bus.toml.
    pub(crate) optional: [f64; BARBUS_OPTIONAL],
    /// Bit i: the optional column i has a value.
    pub(crate) present: u8,
    /// Unused: 0.
    pub(crate) reserved: [u8; 7],
}

/// The outcomes of bars that were sent. `rows` is the sum of the six outcomes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_ack {
    /// Set it to sizeof(barbus_ack).
    pub(crate) size: usize,
    /// Bars handled.
    pub(crate) rows: u64,
    /// New bars.
    pub(crate) accepted: u64,
    /// Bars that the bus had already with the same values: ignored.
    pub(crate) duplicate: u64,
    /// Bars that the bus had with other values: published as corrections.
    pub(crate) revised: u64,
    /// Invalid bars, kept in the quarantine with the reason.
    pub(crate) quarantined: u64,
    /// Invalid bars that the quarantine has no room for: they are kept nowhere.
    pub(crate) refused: u64,
    /// Milliseconds that the bars waited for room in the ring.
    pub(crate) waited_ms: u64,
    /// Sequence number of the last published bar.
    pub(crate) seq: u64,
    /// 0 if no bar was published: then `seq` means nothing.
    pub(crate) has_seq: i32,
    /// Bars that the bus had with other values from a source of higher priority: not published.
    /// UINT32_MAX stands for more, too.
    pub(crate) conflict: u32,
}

impl Versioned for barbus_ack {
    const NAME: &'static str = "barbus_ack";
    fn size(&self) -> usize {
        self.size
    }
}
