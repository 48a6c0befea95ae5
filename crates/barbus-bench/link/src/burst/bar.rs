//! The bar of a minute's burst: with the name of its symbol.

use anyhow::{bail, ensure};

use crate::{BURST, Bar};

/// A bar of a minute's burst, as a strategy receives it.
///
/// It has the symbol's name and not a number: a strategy knows its instruments by name, and no
/// other system has numbers that the producer and all strategies agree on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurstBar {
    /// The symbol, padded with zeros.
    pub symbol: Symbol,
    /// The other fields; its symbol is not transported.
    pub values: Bar,
}

/// The name of a symbol, padded with zeros.
pub type Symbol = [u8; 16];

/// The name of symbol number `n`; the order of the names is that of the numbers.
fn burst_symbol(n: u64) -> String {
    format!("{n:06}.XSHE")
}

/// The names of all symbols of a minute.
pub fn burst_symbols() -> Vec<String> {
    (0..BURST).map(burst_symbol).collect()
}

/// The values of the bar of symbol `n % BURST` in minute `n / BURST`.
pub fn burst_values(n: u64) -> Bar {
    let (symbol, minute) = (n % BURST, n / BURST);
    Bar { symbol, frame_ms: Bar::number(0).frame_ms + 60_000 * minute as i64, ..Bar::number(n) }
}

/// Fails unless `values` are [`burst_values`]`(n)`, in every field.
#[inline(always)]
pub fn check_burst_values(values: &Bar, n: u64) -> anyhow::Result<()> {
    // One branch for all fields keeps the check cheap.
    let expected = burst_values(n).words();
    let difference = values.words().iter().zip(expected).fold(0, |all, (a, b)| all | (a ^ b));
    ensure!(difference == 0, "bar {n} arrived as {values:?}");
    Ok(())
}

impl BurstBar {
    /// Bytes of a bar.
    pub const BYTES: usize = size_of::<Symbol>() + Bar::BYTES - size_of::<u64>();

    /// The bar with these values.
    #[inline(always)]
    pub fn new(symbol: &str, values: Bar) -> Self {
        let mut padded = Symbol::default();
        padded[..symbol.len()].copy_from_slice(symbol.as_bytes());
        Self { symbol: padded, values }
    }

    /// As bytes.
    #[inline(always)]
    pub fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (symbol, values) = bytes.split_at_mut(size_of::<Symbol>());
        symbol.copy_from_slice(&self.symbol);
        values.copy_from_slice(&self.values.bytes()[size_of::<u64>()..]);
        bytes
    }

    /// From bytes; fails if their number is not that of a bar.
    #[inline(always)]
    pub fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        let Ok(bytes) = <&[u8; Self::BYTES]>::try_from(bytes) else { bail!("{} bytes are not a bar", bytes.len()) };
        let (symbol, values) = bytes.split_first_chunk().expect("a bar begins with a symbol");
        let mut words = [0; 9];
        for (word, bytes) in words[1..].iter_mut().zip(values.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Ok(Self { symbol: *symbol, values: Bar::from_words(&words) })
    }
}

/// What a producer sends: the bars of one minute after the other.
#[derive(Debug)]
pub struct BurstSource {
    symbols: Vec<Symbol>,
    bytes: Vec<u8>,
}

impl Default for BurstSource {
    fn default() -> Self {
        let symbols = burst_symbols().iter().map(|name| BurstBar::new(name, Bar::default()).symbol).collect();
        Self { symbols, bytes: Vec::new() }
    }
}

impl BurstSource {
    /// The bars of `minute`, in the order of their symbols.
    pub fn bars(&self, minute: u64) -> impl Iterator<Item = BurstBar> {
        let bar = |(symbol, n): (&Symbol, u64)| BurstBar { symbol: *symbol, values: burst_values(n) };
        self.symbols.iter().zip(minute * BURST..).map(bar)
    }

    /// The same as bytes, one after the other.
    pub fn bytes(&mut self, minute: u64) -> &[u8] {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.bars(minute).for_each(|bar| bytes.extend_from_slice(&bar.bytes()));
        self.bytes = bytes;
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_each_symbol_once() {
        let symbol = |n| burst_values(n).symbol;
        assert_eq!((symbol(0), symbol(BURST), symbol(BURST - 1)), (0, 0, BURST - 1));
        assert_eq!(burst_values(BURST - 1).frame_ms, burst_values(0).frame_ms);
        assert_eq!(burst_values(BURST).frame_ms - burst_values(0).frame_ms, 60_000);
        assert!(burst_symbols().is_sorted());
    }

    #[test]
    fn a_bar_survives_conversion_and_differs_from_every_other_bar() {
        let bar = BurstSource::default().bars(3).nth(7).unwrap();
        let n = 3 * BURST + 7;
        let mut found = BurstBar::from_bytes(&bar.bytes()).unwrap();
        assert_eq!((&found.symbol[..11], found.symbol[11]), (b"000007.XSHE".as_slice(), 0));
        // The symbol's number is not transported.
        found.values.symbol = 7;
        assert_eq!(found, bar);
        check_burst_values(&found.values, n).unwrap();
        check_burst_values(&found.values, n + 1).unwrap_err();
        for i in 0..9 {
            let mut words = bar.values.words();
            words[i] ^= 1;
            check_burst_values(&Bar::from_words(&words), n).unwrap_err();
        }
        BurstBar::from_bytes(&[0; 72]).unwrap_err();
        let mut source = BurstSource::default();
        let bytes: Vec<u8> = source.bars(3).flat_map(|bar| bar.bytes()).collect();
        assert_eq!(source.bytes(3), bytes);
    }
}
