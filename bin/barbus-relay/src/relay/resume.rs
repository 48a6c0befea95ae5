//! Where `out` goes on: what the last message of the stream says.

use super::composer::{Position, Remainder};
use super::header::{FillScope, Header, Kind};

/// Where the stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// It has no message of this bus.
    Empty,
    /// A fill was not finished.
    Fill(FillScope, Position),
    /// The bars from this position on follow; of the first ones it may have some parts.
    At(Position, Option<Remainder>),
}

/// What follows the message with `header`, the last one of the stream.
pub(crate) fn resume_after(header: &Header) -> Resume {
    let position = Position {
        lineage: header.lineage,
        next: header.next,
        received_ns: header.received_ns,
        done_ms: header.done_ms,
        closed: header.closed,
        withdrawals: header.withdrawals,
    };
    if let Some(scope) = header.fill.filter(|_| header.kind != Kind::Start) {
        return Resume::Fill(scope, position);
    }
    match header.part {
        Some((part, parts)) if part + 1 < parts && header.kind.has_numbered_bars() => {
            // When the bar before them was received is not known.
            let position = Position { next: header.first, received_ns: 0, ..position };
            Resume::At(position, Some(Remainder { end: header.next, parts: part + 1 }))
        }
        _ => Resume::At(position, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_message_says_what_follows() {
        let header = Header {
            kind: Kind::Bars,
            bus: "b".into(),
            owner: "o".into(),
            lineage: 5,
            first: 10,
            next: 20,
            rows: 3,
            revised: 0,
            day: None,
            received_ns: 77,
            done_ms: 60_000,
            closed: None,
            withdrawals: 0,
            part: Some((1, 3)),
            fill: None,
        };
        let position = |next, received_ns| Position {
            lineage: 5,
            next,
            received_ns,
            done_ms: 60_000,
            closed: None,
            withdrawals: 0,
        };
        let rest = Remainder { end: 20, parts: 2 };
        assert_eq!(resume_after(&header), Resume::At(position(10, 0), Some(rest)));
        let whole = Header { part: Some((2, 3)), ..header.clone() };
        assert_eq!(resume_after(&whole), Resume::At(position(20, 77), None));
        let scope = FillScope::All;
        let fill = Header { kind: Kind::Fill, fill: Some(scope), ..header.clone() };
        assert_eq!(resume_after(&fill), Resume::Fill(scope, position(20, 77)));
        let end = Header { kind: Kind::Start, ..fill };
        assert_eq!(resume_after(&end), Resume::At(position(20, 77), None));
    }
}
