//! The order of the messages of a source: which of their bars are new, and which are missing.
//!
//! The server may hold a message twice, after a relay was killed while it published, and it drops
//! old ones. The numbers of the bars show both, whatever the numbers of the messages are.

use super::failure::{Outcome, fatal};
use super::header::{FillScope, Header, Kind};
use super::position_file::Place;

/// What is done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It has nothing new.
    Skip,
    /// All of it counts, but for this number of bars at its beginning.
    Take {
        /// These are known.
        known: usize,
        /// The number of bars before it that are missing.
        missed: u64,
    },
}

/// Where the source stands, as far as its messages were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// What the next message of the source follows; its `message` is not used.
    source: Option<Place>,
}

impl Order {
    /// After the messages through `applied`.
    pub(crate) fn after(applied: Option<&Place>) -> Self {
        Self { source: applied.cloned() }
    }

    /// The place after message number `message`.
    pub(crate) fn place(&self, message: u64) -> Option<Place> {
        Some(Place { message, ..self.source.clone()? })
    }

    /// Decides what is done with the next message. Of bars in parts, it is asked once.
    ///
    /// # Errors
    /// It is of another bus.
    pub(crate) fn admit(&mut self, header: &Header) -> Outcome<Admission> {
        let take = |known: u64, missed| Admission::Take { known: known as usize, missed };
        let Some(Place { bus, lineage, next, withdrawals, .. }) = &mut self.source else {
            let at = if header.kind.has_numbered_bars() { header.next } else { header.first };
            // A fill says how the ring goes on only with its last message.
            if header.fill.is_none() || header.kind == Kind::Start {
                self.source = Some(Place {
                    bus: header.bus.clone(),
                    lineage: header.lineage,
                    next: at,
                    message: 0,
                    withdrawals: header.withdrawals,
                });
            }
            return Ok(take(0, 0));
        };
        if *bus != header.bus {
            return fatal(format!(
                "the stream has the bars of another bus now ({}; before it was {bus}): give this bus a stream of \
                 its own, or remove its position file and the relay begins with the oldest message",
                header.bus
            ));
        }
        let is_same = *lineage == header.lineage;
        Ok(match header.kind {
            Kind::Fill if is_same && header.next <= *next => Admission::Skip,
            Kind::Close | Kind::Done | Kind::Fill => take(0, 0),
            Kind::Withdrawn if *withdrawals == header.withdrawals => Admission::Skip,
            Kind::Withdrawn => {
                *withdrawals = header.withdrawals;
                take(0, 0)
            }
            Kind::Start => {
                // A stream that was made anew does not begin where this bus was.
                let missed = match header.fill {
                    None if is_same => header.next.saturating_sub(*next),
                    Some(FillScope::Since(_) | FillScope::All) => 0,
                    None | Some(FillScope::From(_)) => {
                        tracing::error!(
                            "the stream was made anew, and may lack bars before its begin: compare the days of both \
                             buses"
                        );
                        0
                    }
                };
                if !is_same || header.next > *next {
                    (*lineage, *next) = (header.lineage, header.next);
                }
                take(0, missed)
            }
            Kind::Bars | Kind::Late if !is_same => {
                // The stream has dropped the start of this lineage.
                tracing::error!(
                    "the stream has dropped the beginning of a new ring of the source: compare the days of both buses"
                );
                (*lineage, *next) = (header.lineage, header.next);
                take(0, 0)
            }
            Kind::Bars | Kind::Late if header.next <= *next => Admission::Skip,
            Kind::Bars | Kind::Late => {
                let known = next.saturating_sub(header.first);
                let missed = header.first.saturating_sub(*next);
                *next = header.next;
                take(known, missed)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, lineage: u64, first: u64, next: u64) -> Header {
        Header {
            kind,
            bus: "bus".into(),
            owner: "o".into(),
            lineage,
            first,
            next,
            rows: (next - first) as u32,
            revised: 0,
            day: None,
            received_ns: 0,
            done_ms: 0,
            closed: None,
            withdrawals: 0,
            part: None,
            fill: (kind == Kind::Fill).then_some(FillScope::All),
        }
    }

    fn admit(order: &mut Order, kind: Kind, lineage: u64, first: u64, next: u64) -> Admission {
        order.admit(&header(kind, lineage, first, next)).unwrap()
    }

    const ALL: Admission = Admission::Take { known: 0, missed: 0 };

    #[test]
    fn bars_count_once_and_missing_ones_are_counted() {
        let mut order = Order::after(None);
        assert_eq!(admit(&mut order, Kind::Start, 1, 10, 10), ALL);
        assert_eq!(admit(&mut order, Kind::Bars, 1, 10, 20), ALL);
        assert_eq!(admit(&mut order, Kind::Bars, 1, 10, 20), Admission::Skip);
        assert_eq!(admit(&mut order, Kind::Late, 1, 15, 25), Admission::Take { known: 5, missed: 0 });
        assert_eq!(admit(&mut order, Kind::Bars, 1, 30, 31), Admission::Take { known: 0, missed: 5 });
        assert_eq!(
            order.place(7).unwrap(),
            Place { bus: "bus".into(), lineage: 1, next: 31, message: 7, withdrawals: 0 }
        );
    }

    #[test]
    fn a_fill_counts_unless_all_of_it_is_known() {
        let mut order =
            Order::after(Some(&Place { bus: "bus".into(), lineage: 1, next: 50, message: 1, withdrawals: 0 }));
        assert_eq!(admit(&mut order, Kind::Fill, 1, 50, 50), Admission::Skip);
        assert_eq!(admit(&mut order, Kind::Start, 1, 40, 40), ALL);
        assert_eq!(admit(&mut order, Kind::Start, 1, 53, 53), Admission::Take { known: 0, missed: 3 });
        assert_eq!(admit(&mut order, Kind::Bars, 1, 40, 50), Admission::Skip);
        let end = Header { fill: Some(FillScope::Since(0)), ..header(Kind::Start, 1, 60, 60) };
        assert_eq!(order.admit(&end).unwrap(), ALL);
        assert_eq!(admit(&mut order, Kind::Fill, 2, 3, 3), ALL);
        assert_eq!(admit(&mut order, Kind::Start, 2, 3, 3), ALL);
        assert_eq!(admit(&mut order, Kind::Bars, 2, 3, 4), ALL);
    }

    #[test]
    fn another_bus_is_refused() {
        let mut order =
            Order::after(Some(&Place { bus: "other".into(), lineage: 1, next: 50, message: 1, withdrawals: 0 }));
        let refused = order.admit(&header(Kind::Bars, 1, 50, 51)).unwrap_err();
        assert!(refused.to_string().contains("another bus"), "{refused}");
    }

    #[test]
    fn a_stream_that_has_dropped_its_beginning_begins_with_what_it_has() {
        let mut order = Order::after(None);
        assert_eq!(admit(&mut order, Kind::Close, 1, 9, 9), ALL);
        assert_eq!(admit(&mut order, Kind::Bars, 1, 9, 12), ALL);
        assert_eq!(order.place(1).unwrap().next, 12);
    }
}
