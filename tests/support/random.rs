//! Reproducible random numbers: SplitMix64, seeded by an environment variable or by the system.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A generator; two with the same seed yield the same numbers.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Random(seed)
    }

    /// Any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }
}

/// The number in the environment variable `name`, or `default`.
#[track_caller]
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: not a number: {text}")))
}

/// The seed in the environment variable `name`, or a random one; it is printed.
#[track_caller]
pub(crate) fn seed(name: &str) -> u64 {
    let seed = setting(name, RandomState::new().build_hasher().finish());
    println!("{name}={seed}");
    seed
}
