//! The bar that all systems transport.

use anyhow::bail;

/// Symbols of a minute, which take turns.
pub const SYMBOLS: u64 = 1_024;

/// 2024-07-04 00:00 UTC, milliseconds.
const FIRST_MS: i64 = 1_720_051_200_000;

/// The payload: 72 bytes, like a 1-minute bar. All fields follow from its number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub struct Bar {
    /// Index of the symbol, below [`SYMBOLS`].
    pub symbol: u64,
    /// End of the minute, milliseconds since 1970-01-01 UTC.
    pub frame_ms: i64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume.
    pub volume: f64,
    /// Turnover.
    pub money: f64,
    /// Adjustment factor.
    pub factor: f64,
}

impl Bar {
    /// Bytes of a bar.
    pub const BYTES: usize = 72;

    /// The bar with number `n`.
    #[inline(always)]
    pub fn number(n: u64) -> Self {
        // A signed number converts to a float in one instruction.
        let x = n as i64 as f64;
        Self {
            symbol: n % SYMBOLS,
            frame_ms: FIRST_MS + 60_000 * (1 + n / SYMBOLS) as i64,
            open: x + 0.25,
            high: x + 1.0,
            low: x,
            close: x + 0.5,
            volume: x + 2.0,
            money: x * 3.0,
            factor: x + 4.0,
        }
    }

    /// Fails unless this is the bar with number `n`, in every field.
    #[inline(always)]
    pub fn check(&self, n: u64) -> anyhow::Result<()> {
        // One branch for all fields keeps the check cheap.
        let difference = self.words().iter().zip(Self::number(n).words()).fold(0, |all, (a, b)| all | (a ^ b));
        if difference == 0 { Ok(()) } else { self.is_not(n) }
    }

    #[cold]
    #[inline(never)]
    fn is_not(&self, n: u64) -> anyhow::Result<()> {
        bail!("bar {n} arrived as {self:?}")
    }

    /// As nine words.
    #[inline(always)]
    pub fn words(&self) -> [u64; 9] {
        let prices =
            [self.open, self.high, self.low, self.close, self.volume, self.money, self.factor].map(f64::to_bits);
        let [open, high, low, close, volume, money, factor] = prices;
        [self.symbol, self.frame_ms as u64, open, high, low, close, volume, money, factor]
    }

    /// From nine words.
    #[inline(always)]
    pub fn from_words(words: &[u64; 9]) -> Self {
        let [symbol, frame_ms, prices @ ..] = *words;
        let [open, high, low, close, volume, money, factor] = prices.map(f64::from_bits);
        Self { symbol, frame_ms: frame_ms as i64, open, high, low, close, volume, money, factor }
    }

    /// As bytes.
    #[inline(always)]
    pub fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.words()) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// From bytes; fails if their number is not that of a bar.
    #[inline(always)]
    pub fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        let Ok(bytes) = <&[u8; Self::BYTES]>::try_from(bytes) else { bail!("{} bytes are not a bar", bytes.len()) };
        let mut words = [0; 9];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
        }
        Ok(Self::from_words(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_survives_conversion_and_differs_from_every_other_bar() {
        let bar = Bar::number(1_234_567);
        assert_eq!(Bar::from_bytes(&bar.bytes()).unwrap(), bar);
        bar.check(1_234_567).unwrap();
        bar.check(1_234_568).unwrap_err();
        for i in 0..9 {
            let mut words = bar.words();
            words[i] ^= 1;
            Bar::from_words(&words).check(1_234_567).unwrap_err();
        }
        Bar::from_bytes(&[0; 71]).unwrap_err();
    }
}
