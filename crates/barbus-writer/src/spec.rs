//! The ring that the settings of a bus specify.

use std::hash::{BuildHasher, Hasher};

use barbus::Bus;
use barbus_bars::PriceType;
use barbus_ring::{Price, Spec};
use barbus_shm::now_ns;

/// Bytes of symbol text that the ring has room for, per symbol.
const BYTES_PER_SYMBOL: u32 = 24;

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
        symbol_bytes: settings.symbols.saturating_mul(BYTES_PER_SYMBOL),
        tip_rows: settings.tip_rows,
        // A random number: the system seeds the hasher of the standard library.
        lineage: std::hash::RandomState::new().build_hasher().finish(),
        created_ns: now_ns(),
        ..Spec::default()
    }
    .with_file_bytes(settings.ring_bytes)
}
