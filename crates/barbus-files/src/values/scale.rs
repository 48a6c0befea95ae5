//! A factor for prices, applied to decimals and not to floats.
//!
//! `311520000000` times `1e-9` is 311.52 to the bit, because the digits are scaled before they are
//! rounded to a float.

use std::fmt;
use std::str::FromStr;

/// A decimal factor: `mantissa` × 10^`exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    mantissa: i128,
    exponent: i32,
}

/// A factor that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no factor for prices: give a decimal above zero such as 1e-9 or 0.0001")]
pub struct ScaleError(String);

impl FromStr for Scale {
    type Err = ScaleError;

    fn from_str(text: &str) -> Result<Scale, ScaleError> {
        let error = || ScaleError(text.to_owned());
        let (mantissa, exponent) = decimal(text.trim()).ok_or_else(error)?;
        let usable = mantissa > 0 && mantissa < 1_000_000_000_000 && exponent.abs() <= 40;
        usable.then_some(Scale { mantissa, exponent }).ok_or_else(error)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mantissa {
            1 => write!(f, "1e{}", self.exponent),
            mantissa => write!(f, "{mantissa}e{}", self.exponent),
        }
    }
}

impl Scale {
    /// The float nearest to the number in `text` times this factor; `None` if `text` is no decimal.
    pub(crate) fn apply(&self, text: &str) -> Option<f64> {
        match decimal(text) {
            Some((digits, exponent)) => match digits.checked_mul(self.mantissa) {
                Some(product) => format!("{product}e{}", exponent + self.exponent).parse().ok(),
                None => self.rounded(text),
            },
            None => self.rounded(text),
        }
    }

    /// The product of floats, for numbers of too many digits, infinities and NaN.
    fn rounded(&self, text: &str) -> Option<f64> {
        let factor: f64 = format!("{}e{}", self.mantissa, self.exponent).parse().ok()?;
        Some(text.parse::<f64>().ok()? * factor)
    }
}

/// The digits of a decimal number and its power of ten; `None` for other texts and many digits.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (number, power) = match text.split_once(['e', 'E']) {
        Some((number, power)) => (number, power.parse::<i32>().ok().filter(|power| power.abs() < 400)?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() + fraction.len() > 36 || digits.len() + fraction.len() == 0 {
        return None;
    }
    if !are_digits(digits) || !are_digits(fraction) {
        return None;
    }
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some((value, power - fraction.len() as i32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_are_scaled_as_decimals() {
        let scale: Scale = "1e-9".parse().unwrap();
        assert_eq!(scale.apply("311520000000"), Some(311.52));
        assert_eq!(scale.apply("-87015000000"), Some(-87.015));
        assert_eq!(scale.apply("87015000000.5"), Some(87.0150000005));
        assert_eq!("0.0001".parse::<Scale>().unwrap().apply("3115199"), Some(311.5199));
        assert_eq!("0.25".parse::<Scale>().unwrap().apply("17"), Some(4.25));
        assert_eq!(scale.apply("1e9"), Some(1.0));
        assert_eq!(scale.apply("word"), None);
        for wrong in ["", "0", "-1", "e", "x", "1e400", "nan"] {
            assert!(wrong.parse::<Scale>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_scaled_integer_is_the_decimal_to_the_bit(digits in 0i64..i64::MAX, power in 0u32..15) {
            let scale: Scale = format!("1e-{power}").parse().unwrap();
            let expected: f64 = format!("{digits}e-{power}").parse().unwrap();
            prop_assert_eq!(scale.apply(&digits.to_string()).unwrap().to_bits(), expected.to_bits());
        }
    }
}
