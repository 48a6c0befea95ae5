//! The readers that hold blocks of the ring and replaced rings, and the log of what that led to.

use barbus::Bus;
use barbus_ring::RingMaintenance;

/// Readers that one line of the log names.
const MOST_NAMED: usize = 8;

/// What readers made the writer do with the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RingEvent {
    /// It continues in a new file, because readers hold its blocks.
    Replaced,
    /// It continues in a new file, because the file before it was lost.
    Lost,
    /// It continues in a new file with room for as many symbols.
    Enlarged(u32),
    /// It goes on in the reserve, and does not replace the ring for this reason.
    InReserve(String),
    /// It uses other slots than those of the reserve again.
    LeftReserve,
}

/// Replaced rings that readers still have open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeldRings {
    pub(crate) rings: u32,
    /// The size of their files.
    pub(crate) bytes: u64,
}

impl HeldRings {
    /// Those of `rings` that are held.
    pub(crate) fn of(rings: &[RingMaintenance]) -> Self {
        let held = rings.iter().filter(|ring| ring.is_open_elsewhere());
        held.fold(Self::default(), |sum, ring| Self {
            rings: sum.rings + 1,
            bytes: sum.bytes.saturating_add(ring.ring().geometry().file_bytes),
        })
    }
}

impl RingEvent {
    /// Logs the event. It reads the position files, so the writer's lock must not be held.
    pub(crate) fn log(&self, bus: &Bus, held: HeldRings) {
        let (rings_held, bytes_held) = (held.rings, held.bytes);
        match self {
            Self::Replaced => {
                let holders = holders(bus);
                tracing::warn!(
                    rings_held,
                    bytes_held,
                    holders,
                    "ring replaced: readers hold all of its blocks: let them drop their views, or end them"
                );
            }
            // The writer has logged it.
            Self::Lost => {}
            Self::Enlarged(symbols) => {
                tracing::info!(rings_held, bytes_held, symbols, "ring replaced: it has room for more symbols");
            }
            Self::InReserve(why) => {
                let holders = holders(bus);
                tracing::warn!(
                    rings_held,
                    bytes_held,
                    holders,
                    "readers hold all blocks of the ring, and it is not replaced: {why}: \
                     the writer goes on in its reserve, and readers are overtaken sooner: end those readers"
                );
            }
            Self::LeftReserve => tracing::info!(rings_held, bytes_held, "readers have released blocks of the ring"),
        }
    }
}

/// The readers with the most blocks, as text.
fn holders(bus: &Bus) -> String {
    let mut readers = barbus::readers(bus).unwrap_or_default();
    readers.retain(|reader| reader.pins > 0);
    readers.sort_by_key(|reader| std::cmp::Reverse(reader.pins));
    let named = readers.iter().take(MOST_NAMED);
    // Another user chose the name: its Debug form is quoted, so it cannot pass for another field.
    let mut text: Vec<_> =
        named.map(|reader| format!("{:?} (process {}): {} blocks", reader.name, reader.pid, reader.pins)).collect();
    match readers.len() {
        0 => text.push("no listed reader".to_owned()),
        count if count > MOST_NAMED => text.push(format!("{} more", count - MOST_NAMED)),
        _ => {}
    }
    text.join(", ")
}
