//! The built-in calendars: one table each in `calendars/`.

/// The name of each calendar of [`Calendar::preset`](crate::Calendar::preset), and one line about
/// it.
pub const PRESETS: &[(&str, &str)] = &[
    ("XSHG", "Shanghai stock exchange, 09:30-11:30 and 13:00-15:00"),
    ("XSHE", "Shenzhen stock exchange, the same days and hours as Shanghai"),
    ("CN-FUTURES", "Chinese futures exchanges; the night session 21:00-02:30 belongs to the next trading day"),
    ("XNYS", "New York Stock Exchange and Nasdaq with extended hours, 04:00-20:00"),
    ("XNYS-24", "New York with overnight trading, 20:00 the evening before to 20:00"),
    ("XHKG", "Hong Kong stock exchange, 09:30-12:00 and 13:00-16:00"),
    ("XTKS", "Tokyo stock exchange, 09:00-11:30 and 12:30-15:30"),
    ("XLON", "London stock exchange, 08:00-16:30"),
    ("XETR", "Xetra in Frankfurt, 09:00-17:30"),
    ("XNSE", "National Stock Exchange of India, 09:15-15:30"),
    ("CME", "CME Globex by session dates, 17:00 the evening before to 16:00 in Chicago"),
    ("CME-TRADE-DATE", "CME Globex by CME's own trade dates; a session on a US holiday belongs to the next one"),
    ("24x7", "every day from midnight to midnight UTC, as crypto exchanges trade"),
];

/// Their time zones, in the same order.
pub(super) const ZONES: &[&str] = &[
    "Asia/Shanghai",
    "Asia/Shanghai",
    "Asia/Shanghai",
    "America/New_York",
    "America/New_York",
    "Asia/Hong_Kong",
    "Asia/Tokyo",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "America/Chicago",
    "America/Chicago",
    "UTC",
];

/// Their tables, in the same order.
pub(super) const BUILT_IN: &[&str] = &[
    include_str!("../../calendars/XSHG.toml"),
    include_str!("../../calendars/XSHE.toml"),
    include_str!("../../calendars/CN-FUTURES.toml"),
    include_str!("../../calendars/XNYS.toml"),
    include_str!("../../calendars/XNYS-24.toml"),
    include_str!("../../calendars/XHKG.toml"),
    include_str!("../../calendars/XTKS.toml"),
    include_str!("../../calendars/XLON.toml"),
    include_str!("../../calendars/XETR.toml"),
    include_str!("../../calendars/XNSE.toml"),
    include_str!("../../calendars/CME.toml"),
    include_str!("../../calendars/CME-TRADE-DATE.toml"),
    include_str!("../../calendars/24x7.toml"),
];
