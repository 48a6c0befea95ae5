//! How a reader, a replay or a publisher is opened.

use std::ptr::null;

use crate::raw::{CText, Versioned};

/// After the newest bar: only future bars are delivered.
pub const BARBUS_START_LIVE: i32 = 0;
/// At the first bar of the newest trading day.
pub const BARBUS_START_TODAY: i32 = 1;
/// At the oldest bar in the ring.
pub const BARBUS_START_OLDEST: i32 = 2;
/// At the first bar of the trading day `start_day`, or of the first later day in the ring.
pub const BARBUS_START_DAY: i32 = 3;
/// At the sequence number `start_seq`. If that bar was overwritten, the first event is
/// BARBUS_EVENT_LAPPED.
pub const BARBUS_START_SEQ: i32 = 4;

/// What the ring has lost of the day comes from the archive, before the bars of the ring.
pub const BARBUS_ON_GAP_FILL: i32 = 0;
/// What the ring has lost of the day is counted by BARBUS_EVENT_LAPPED.
pub const BARBUS_ON_GAP_LAPPED: i32 = 1;
/// Opening fails if the ring has lost bars of the day.
pub const BARBUS_ON_GAP_ERROR: i32 = 2;

/// barbus_next sleeps in the kernel until the writer commits.
pub const BARBUS_WAIT_FUTEX: i32 = 0;
/// barbus_next polls without a pause and without a system call: the lowest latency, a whole core.
pub const BARBUS_WAIT_SPIN: i32 = 1;
/// barbus_next polls some thousand times, then yields its core between polls.
pub const BARBUS_WAIT_SPIN_THEN_YIELD: i32 = 2;

/// How a reader is opened. A struct of zeros with its size has the default of each field.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_reader_options<'a> {
    /// Set it to sizeof(barbus_reader_options).
    pub(crate) size: usize,
    /// One of BARBUS_START_….
    pub(crate) start: i32,
    /// For BARBUS_START_DAY: days since 1970-01-01, see barbus_day_parse.
    pub(crate) start_day: i32,
    /// For BARBUS_START_SEQ.
    pub(crate) start_seq: u64,
    /// One of BARBUS_ON_GAP_…, for BARBUS_START_TODAY and BARBUS_START_DAY.
    pub(crate) on_gap: i32,
    /// One of BARBUS_WAIT_….
    pub(crate) wait: i32,
    /// The name in `barbus readers`, at most 64 bytes; null: the name of the process.
    pub(crate) name: CText<'a>,
    /// Not 0: the reader is not listed, and the daemon does not warn when it falls behind.
    pub(crate) anonymous: i32,
    /// Not 0: bars come by complete minutes, each followed by BARBUS_EVENT_MINUTE_CLOSED.
    pub(crate) minutes: i32,
    /// Only bars of these symbols are delivered; null: of all. The array is copied.
    pub(crate) symbols: *const CText<'a>,
    /// Number of symbols.
    pub(crate) symbol_count: usize,
    /// Bars of this length, such as "5m" or "1d", each when its last minute is complete; null: as
    /// they were published. It contradicts `minutes`.
    pub(crate) interval: CText<'a>,
    /// With `minutes` or `interval`, the symbols that a minute waits for; null: those of the last
    /// trading day and of the present one. The array is copied.
    pub(crate) universe: *const CText<'a>,
    /// Number of symbols of the universe.
    pub(crate) universe_count: usize,
    /// With `minutes` or `interval`, milliseconds that a minute waits for its missing symbols; 0:
    /// 2,000; negative: none.
    pub(crate) grace_ms: i64,
}

impl Versioned for barbus_reader_options<'_> {
    const NAME: &'static str = "barbus_reader_options";
    fn size(&self) -> usize {
        self.size
    }
}

impl barbus_reader_options<'_> {
    /// The defaults, with one of the `BARBUS_START_…` and of the `BARBUS_WAIT_…`.
    pub const fn starting(start: i32, wait: i32) -> Self {
        Self {
            size: size_of::<Self>(),
            start,
            start_day: 0,
            start_seq: 0,
            on_gap: BARBUS_ON_GAP_FILL,
            wait,
            name: CText::NULL,
            anonymous: 0,
            minutes: 0,
            symbols: null(),
            symbol_count: 0,
            interval: CText::NULL,
            universe: null(),
            universe_count: 0,
            grace_ms: 0,
        }
    }
}

/// Which archived days are replayed, and how. A struct of zeros with its size and the days has the
/// default of each other field.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_replay_options<'a> {
    /// Set it to sizeof(barbus_replay_options).
    pub(crate) size: usize,
    /// The first day, days since 1970-01-01, see barbus_day_parse.
    pub(crate) from_day: i32,
    /// The last day. Days that are not archived are skipped.
    pub(crate) to_day: i32,
    /// How many times faster than the market; 0: as fast as the program takes the bars.
    pub(crate) speed: f64,
    /// As in barbus_reader_options.
    pub(crate) symbols: *const CText<'a>,
    /// Number of symbols.
    pub(crate) symbol_count: usize,
    /// As in barbus_reader_options.
    pub(crate) interval: CText<'a>,
    /// As in barbus_reader_options.
    pub(crate) universe: *const CText<'a>,
    /// Number of symbols of the universe.
    pub(crate) universe_count: usize,
    /// As in barbus_reader_options.
    pub(crate) minutes: i32,
    /// Unused: 0.
    pub(crate) reserved: i32,
}

impl Versioned for barbus_replay_options<'_> {
    const NAME: &'static str = "barbus_replay_options";
    fn size(&self) -> usize {
        self.size
    }
}

/// How an Arrow stream of a reader ends. A struct of zeros with its size has the default of each
/// field.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct barbus_stream_options {
    /// Set it to sizeof(barbus_stream_options).
    pub(crate) size: usize,
    /// Milliseconds that `get_next` waits for bars, after which the stream ends; 0: it ends at the
    /// newest bar; negative: it waits without a limit.
    pub(crate) timeout_ms: i64,
    /// Not 0: the stream ends when a trading day has closed, after its last bar.
    pub(crate) until_day_closed: i32,
    /// Unused: 0.
    pub(crate) reserved: i32,
}

impl Versioned for barbus_stream_options {
    const NAME: &'static str = "barbus_stream_options";
    fn size(&self) -> usize {
        self.size
    }
}
