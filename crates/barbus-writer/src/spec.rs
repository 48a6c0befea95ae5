//! The ring that the settings of a bus specify.

use std::hash::{BuildHasher, Hasher};

use barbus::Bus;
use barbus_bars::{MAX_SYMBOL_BYTES, PriceType};
use barbus_ring::{Price, Ring, Spec};
use barbus_shm::{Memory, now_ns};

// Every optional column of a bus has a place in the rows of its ring.
const _: () = assert!(barbus_bars::MAX_OPTIONAL_COLUMNS <= barbus_ring::MAX_OPTIONAL);

/// The ring for `bus`, of a new lineage.
pub(crate) fn ring_spec(bus: &Bus) -> Spec {
    let settings = bus.settings();
    Spec {
        zone: settings.schema.zone().to_owned(),
        price: match settings.schema.price() {
            PriceType::Float64 => Price::Float64,
            PriceType::Float32 => Price::Float32,
        },
        optional: settings.schema.optional().to_vec(),
        rows_per_block: settings.rows_per_block,
        symbols: settings.symbols,
        symbol_bytes: text_bytes(settings.symbols),
        tip_rows: settings.tip_rows,
        // A random number: the system seeds the hasher of the standard library.
        lineage: std::hash::RandomState::new().build_hasher().finish(),
        created_ns: now_ns(),
        ..Spec::default()
    }
    .with_file_bytes(settings.ring_bytes)
}

/// The text of as many symbols, if each is as long as possible.
fn text_bytes(symbols: u32) -> u32 {
    symbols.saturating_mul(MAX_SYMBOL_BYTES as u32)
}

/// The ring that replaces `ring`: as the settings of `bus` specify, but with room for all symbols
/// that `ring` has, and for at least `symbols`.
pub(crate) fn successor_spec<M: Memory>(bus: &Bus, ring: &Ring<M>, symbols: u32) -> Spec {
    let mut spec = ring_spec(bus);
    let old = ring.geometry();
    if ring.symbol_count() > spec.symbols || ring.symbol_text_bytes() > spec.symbol_bytes {
        // It was enlarged while it ran.
        (spec.symbols, spec.symbol_bytes) = (old.symbols.max(spec.symbols), old.symbol_bytes.max(spec.symbol_bytes));
    }
    if symbols > spec.symbols {
        (spec.symbols, spec.symbol_bytes) = (symbols, text_bytes(symbols).max(spec.symbol_bytes));
    }
    spec
}
