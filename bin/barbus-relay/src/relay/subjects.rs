//! The subjects of a bus on a stream.
//!
//! With the prefix `P`, bars are on `P.bars` (single), `P.bars.SYMBOL` (symbol) or `P.bars.K`
//! (shards). Everything else is on `P.event`. The stream has all of `P.>`.

use super::options::Subjects;

/// The subjects of one bus.
#[derive(Debug, Clone)]
pub(crate) struct SubjectNames {
    prefix: String,
    how: Subjects,
}

impl SubjectNames {
    pub(crate) fn new(prefix: String, how: Subjects) -> Self {
        Self { prefix, how }
    }

    /// The subject of the other messages: starts, withdrawals, closes of days and complete minutes.
    pub(crate) fn event(&self) -> String {
        format!("{}.event", self.prefix)
    }

    /// The bars of a symbol.
    pub(crate) fn bars(&self, symbol: &str) -> String {
        match self.how {
            Subjects::Single => format!("{}.bars", self.prefix),
            Subjects::Symbol => format!("{}.bars.{}", self.prefix, escaped(symbol)),
            Subjects::Shards(count) => format!("{}.bars.{}", self.prefix, shard(symbol, count)),
        }
    }

    /// Whether all bars have one subject.
    pub(crate) fn is_single(&self) -> bool {
        self.how == Subjects::Single
    }
}

/// All subjects of a prefix.
pub(crate) fn all_of(prefix: &str) -> String {
    format!("{prefix}.>")
}

/// The shard of a symbol, from 0: its 32-bit FNV-1a hash modulo the number of shards.
fn shard(symbol: &str, count: u32) -> u32 {
    let hash = symbol.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % count
}

/// A symbol as tokens of a subject: dots stay, so that `*.XSHG` matches an exchange. What a subject
/// cannot have is `%` and two hexadecimal digits.
fn escaped(symbol: &str) -> String {
    let mut text = String::with_capacity(symbol.len());
    let bytes = symbol.as_bytes();
    for (i, &byte) in bytes.iter().enumerate() {
        let is_inner_dot = byte == b'.' && i > 0 && i + 1 < bytes.len() && bytes[i - 1] != b'.';
        let is_plain = byte.is_ascii_graphic() && !matches!(byte, b'.' | b'*' | b'>' | b'%');
        match is_plain || is_inner_dot {
            true => text.push(char::from(byte)),
            false => text += &format!("%{byte:02X}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_never_breaks_a_subject() {
        let of = |symbol: &str| SubjectNames::new("p".into(), Subjects::Symbol).bars(symbol);
        assert_eq!(of("600000.XSHG"), "p.bars.600000.XSHG");
        assert_eq!(of("BRK B*"), "p.bars.BRK%20B%2A");
        assert_eq!(of(".a..b."), "p.bars.%2Ea.%2Eb%2E");
        assert_eq!(of("螺纹"), "p.bars.%E8%9E%BA%E7%BA%B9");
        assert_eq!(of("100%"), "p.bars.100%25");
    }

    #[test]
    fn shards_are_those_of_the_published_hash() {
        // FNV-1a of "a" is 0xe40c292c.
        assert_eq!(shard("a", 1 << 16), 0x292c);
        let of = |symbol: &str| SubjectNames::new("p".into(), Subjects::Shards(4)).bars(symbol);
        assert_eq!(of("a"), "p.bars.0");
    }
}
