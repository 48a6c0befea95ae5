//! The headers of a message: its kind, and its place in the order of the ring.

use std::fmt::{self, Display};
use std::str::FromStr;

use async_nats::HeaderMap;
use barbus::Date;

/// The version of the messages.
const VERSION: &str = "1";

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bars from here on have this lineage and begin at this sequence number. What the stream has
    /// before is all that the bus had before.
    Start,
    /// Bars of the trading day that is open.
    Bars,
    /// Bars of a day that was closed before.
    Late,
    /// Bars of the archive, in their last revision; they have no sequence numbers.
    Fill,
    /// The trading day is closed.
    Close,
    /// A minute is complete.
    Done,
    /// An operator has withdrawn bars of a closed day.
    Withdrawn,
}

impl Kind {
    const ALL: [(Kind, &str); 7] = [
        (Kind::Start, "start"),
        (Kind::Bars, "bars"),
        (Kind::Late, "late"),
        (Kind::Fill, "fill"),
        (Kind::Close, "close"),
        (Kind::Done, "done"),
        (Kind::Withdrawn, "withdrawn"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map(|(_, name)| *name).expect("every kind is listed")
    }

    /// Whether the message has bars with sequence numbers.
    pub(crate) fn has_numbered_bars(self) -> bool {
        matches!(self, Kind::Bars | Kind::Late)
    }
}

/// Which bars of the archive a fill has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FillScope {
    /// Those of days with files that were written since this time, nanoseconds UTC.
    Since(i64),
    /// Those from this day on.
    From(Date),
    /// All.
    All,
}

impl Display for FillScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Since(ns) => write!(f, "since={ns}"),
            Self::From(day) => write!(f, "from={day}"),
            Self::All => write!(f, "all"),
        }
    }
}

impl FromStr for FillScope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('=') {
            Some(("since", ns)) => ns.parse().map(Self::Since).map_err(drop),
            Some(("from", day)) => day.parse().map(Self::From).map_err(drop),
            None if text == "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}

/// The headers of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// The identity of the bus.
    pub(crate) bus: String,
    /// The process that has published it: when it started, and a random text.
    pub(crate) owner: String,
    /// The lineage of the sequence numbers.
    pub(crate) lineage: u64,
    /// The number of the first bar. Without bars, and in a fill: of the next bar.
    pub(crate) first: u64,
    /// The number after the last bar. In a fill: the number at which the ring goes on after it.
    pub(crate) next: u64,
    /// The number of bars.
    pub(crate) rows: u32,
    /// How many of them are revisions.
    pub(crate) revised: u32,
    /// The trading day of the bars, or the one that is closed.
    pub(crate) day: Option<Date>,
    /// When the bus received the newest bar up to here, nanoseconds UTC.
    pub(crate) received_ns: i64,
    /// The end of the newest minute that is complete, milliseconds UTC; 0 without one.
    pub(crate) done_ms: i64,
    /// The newest trading day, if it is closed.
    pub(crate) closed: Option<Date>,
    /// How many withdrawals of the bus the stream has, or had before it was made.
    pub(crate) withdrawals: u64,
    /// The number of this part, and of all parts, of bars that are spread over subjects.
    pub(crate) part: Option<(u32, u32)>,
    /// The fill to which the message belongs; of a start, the one that it ends.
    pub(crate) fill: Option<FillScope>,
}

/// Why a message cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotOurs {
    /// No relay has written it.
    Foreign,
    /// A relay of another version has written it.
    Version(String),
}

impl Header {
    /// The headers as NATS carries them.
    pub(crate) fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert("Barbus-Version", VERSION);
        map.insert("Barbus-Kind", self.kind.as_str());
        map.insert("Barbus-Bus", self.bus.as_str());
        map.insert("Barbus-Owner", self.owner.as_str());
        map.insert("Barbus-Lineage", format!("{:016x}", self.lineage).as_str());
        map.insert("Barbus-Seq", format!("{}-{}", self.first, self.next).as_str());
        map.insert("Barbus-Received", self.received_ns.to_string().as_str());
        if self.rows > 0 {
            map.insert("Barbus-Rows", self.rows.to_string().as_str());
        }
        if self.revised > 0 {
            map.insert("Barbus-Revised", self.revised.to_string().as_str());
        }
        if let Some(day) = self.day {
            map.insert("Barbus-Day", day.to_string().as_str());
        }
        if self.done_ms > 0 {
            map.insert("Barbus-Done", self.done_ms.to_string().as_str());
        }
        if let Some(closed) = self.closed {
            map.insert("Barbus-Closed", closed.to_string().as_str());
        }
        if self.withdrawals > 0 {
            map.insert("Barbus-Withdrawals", self.withdrawals.to_string().as_str());
        }
        if let Some((part, parts)) = self.part {
            map.insert("Barbus-Part", format!("{part}/{parts}").as_str());
        }
        if let Some(fill) = self.fill {
            map.insert("Barbus-Fill", fill.to_string().as_str());
        }
        map
    }

    /// Reads the headers.
    ///
    /// # Errors
    /// They are not those of a relay of this version.
    pub(crate) fn of_map(map: &HeaderMap) -> Result<Self, NotOurs> {
        let text = |name: &str| map.get(name).map(|value| value.as_str());
        match text("Barbus-Version") {
            None => return Err(NotOurs::Foreign),
            Some(VERSION) => {}
            Some(other) => return Err(NotOurs::Version(other.to_owned())),
        }
        Self::parse(text).ok_or(NotOurs::Foreign)
    }

    fn parse<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        /// A header that may be absent, but not wrong.
        fn optional<T: FromStr>(text: Option<&str>) -> Option<Option<T>> {
            text.map_or(Some(None), |text| text.parse().ok().map(Some))
        }
        let kind = text("Barbus-Kind")?;
        let (kind, _) = Kind::ALL.into_iter().find(|(_, name)| *name == kind)?;
        let (first, next) = text("Barbus-Seq")?.split_once('-')?;
        let part = match text("Barbus-Part") {
            None => None,
            Some(part) => {
                let (part, parts) = part.split_once('/')?;
                let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
                Some((part, parts)).filter(|(part, parts)| part < parts)
            }
        };
        let header = Self {
            kind,
            bus: text("Barbus-Bus")?.to_owned(),
            owner: text("Barbus-Owner")?.to_owned(),
            lineage: u64::from_str_radix(text("Barbus-Lineage")?, 16).ok()?,
            first: first.parse().ok()?,
            next: next.parse().ok()?,
            rows: optional(text("Barbus-Rows"))?.unwrap_or(0),
            revised: optional(text("Barbus-Revised"))?.unwrap_or(0),
            day: optional(text("Barbus-Day"))?,
            received_ns: text("Barbus-Received")?.parse().ok()?,
            done_ms: optional(text("Barbus-Done"))?.unwrap_or(0),
            closed: optional(text("Barbus-Closed"))?,
            withdrawals: optional(text("Barbus-Withdrawals"))?.unwrap_or(0),
            part,
            fill: optional(text("Barbus-Fill"))?,
        };
        let is_sound = header.first <= header.next || header.fill.is_some();
        is_sound.then_some(header)
    }

    /// The text by which the server recognizes a message that is published twice.
    pub(crate) fn message_id(&self) -> String {
        let Self { kind, lineage, first, next, .. } = self;
        let what = match kind {
            Kind::Bars | Kind::Late => String::new(),
            Kind::Start | Kind::Fill => format!("-{}-{}", kind.as_str(), self.owner),
            Kind::Close => format!("-close-{}", self.day.map(|day| day.to_string()).unwrap_or_default()),
            Kind::Done => format!("-done-{}", self.done_ms),
            Kind::Withdrawn => format!("-withdrawn-{}", self.withdrawals),
        };
        let part = self.part.map(|(part, _)| format!("-{part}")).unwrap_or_default();
        format!("{lineage:016x}-{first}-{next}{what}{part}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: Kind::Late,
            bus: "bus".into(),
            owner: "1-a".into(),
            lineage: 0xfeed,
            first: 7,
            next: 9,
            rows: 2,
            revised: 1,
            day: Some(Date::constant(2024, 7, 4)),
            received_ns: -1,
            done_ms: 60_000,
            closed: Some(Date::constant(2024, 7, 3)),
            withdrawals: 2,
            part: Some((0, 3)),
            fill: None,
        }
    }

    #[test]
    fn headers_survive_the_way() {
        let full = header();
        assert_eq!(Header::of_map(&full.to_map()), Ok(full.clone()));
        let fills = [FillScope::All, FillScope::Since(-5), FillScope::From(Date::constant(2024, 7, 4))];
        for fill in fills {
            let bare =
                Header { kind: Kind::Fill, fill: Some(fill), rows: 0, revised: 0, day: None, part: None, ..header() };
            assert_eq!(Header::of_map(&bare.to_map()), Ok(bare.clone()));
        }
    }

    #[test]
    fn other_messages_are_not_ours() {
        assert_eq!(Header::of_map(&HeaderMap::new()), Err(NotOurs::Foreign));
        let mut newer = header().to_map();
        newer.insert("Barbus-Version", "2");
        assert_eq!(Header::of_map(&newer), Err(NotOurs::Version("2".into())));
        for (name, value) in [("Barbus-Seq", "9-7"), ("Barbus-Kind", "x"), ("Barbus-Rows", "-1"), ("Barbus-Fill", "x")]
        {
            let mut wrong = header().to_map();
            wrong.insert(name, value);
            assert_eq!(Header::of_map(&wrong), Err(NotOurs::Foreign), "{name}");
        }
    }

    #[test]
    fn message_ids_tell_messages_apart() {
        let bars = Header { part: None, ..header() };
        let close = Header { kind: Kind::Close, first: 9, ..bars.clone() };
        let done = Header { kind: Kind::Done, ..close.clone() };
        let ids = [header(), bars, close, done].map(|header| header.message_id());
        let all: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(all.len(), ids.len(), "{ids:?}");
        assert_eq!(ids[0], "000000000000feed-7-9-0");
    }
}
