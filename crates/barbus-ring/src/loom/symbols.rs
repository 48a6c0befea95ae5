//! Scenarios of the dictionary of symbols.

use super::scenario::{Scenario, SharedWords, push, row};
use crate::layout::*;
use crate::{RingReader, RingStart, Row, SymbolId};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a counted symbol can be read",
        reserve: 0,
        prepare: |writer| {
            writer.intern("A").unwrap();
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().word32(SB_SYMBOL_COUNT).word32(g.dictionary_offsets + 8),
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                match ring.symbol_count() {
                    2 => ring.symbol(SymbolId(1)).expect("a counted symbol"),
                    _ => "unknown".to_owned(),
                }
            });
            writer.intern("BC").unwrap();
            vec![thread.join().unwrap()]
        },
        outcomes: &["BC", "unknown"],
    },
    Scenario {
        name: "the symbol of a published row can be read",
        reserve: 0,
        prepare: |writer| {
            writer.intern("A").unwrap();
            writer.begin_day(1);
            push(writer, 2);
        },
        shared: |g| SharedWords::default().tip(g, 2).word32(SB_SYMBOL_COUNT),
        run: |arena| {
            let mut writer = arena.writer();
            let mut reader = RingReader::new(&arena.ring(), RingStart::Live).unwrap();
            let thread = loom::thread::spawn(move || {
                let mut rows = Vec::new();
                reader.poll(&arena.ring(), &mut rows, 1);
                rows.first().map(|row| arena.ring().symbol(row.symbol).expect("the row's symbol")).unwrap_or_default()
            });
            let symbol = writer.intern("BC").unwrap();
            writer.push(&Row { symbol, ..row(2) }).unwrap();
            vec![thread.join().unwrap()]
        },
        outcomes: &["", "BC"],
    },
    Scenario {
        name: "an Arrow reader finds the symbols that the lengths count",
        reserve: 0,
        prepare: |writer| {
            writer.intern("A").unwrap();
        },
        shared: |g| {
            let length = g.dictionary + crate::arrow_messages::dictionary_message(g).length;
            SharedWords::default().word(length).word32(g.dictionary_offsets + 8)
        },
        run: |arena| {
            let mut writer = arena.writer();
            let thread = loom::thread::spawn(move || {
                let ring = arena.ring();
                let geometry = &ring.geometry;
                let length = ring.u64(geometry.dictionary + crate::arrow_messages::dictionary_message(geometry).length);
                // An Arrow reader that uses an acquire load.
                loom::sync::atomic::fence(loom::sync::atomic::Ordering::Acquire);
                let end = ring.u32(geometry.dictionary_offsets + 8);
                assert!(length < 2 || end == 3, "a counted symbol has no end");
                length.to_string()
            });
            writer.intern("BC").unwrap();
            vec![thread.join().unwrap()]
        },
        outcomes: &["1", "2"],
    },
];
