//! Dates of TOML that are TOML dates or text.

use jiff::civil::Date;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

fn date<E: Error>(value: &toml::Value) -> Result<Date, E> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Datetime(date) => date.to_string(),
        other => {
            let found = other.type_str();
            return Err(E::custom(format_args!("expected a date such as 2026-01-01, found a value of type {found}")));
        }
    };
    // jiff also accepts the date in a longer text, which is more likely a mistake here.
    let only_date = text.len() == "2026-01-01".len();
    let date = only_date.then(|| text.parse().ok()).flatten();
    date.ok_or_else(|| E::custom(format_args!("{text:?} is not a date such as 2026-01-01")))
}

/// A date.
pub(super) mod one {
    use super::*;

    pub(in crate::calendar) fn serialize<S: serde::Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(date)
    }

    pub(in crate::calendar) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Date, D::Error> {
        date(&toml::Value::deserialize(d)?)
    }
}

/// A date that may be absent.
pub(super) mod maybe {
    use super::*;

    pub(in crate::calendar) fn serialize<S: serde::Serializer>(date: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
        match date {
            Some(date) => to.collect_str(date),
            None => to.serialize_none(),
        }
    }

    pub(in crate::calendar) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Date>, D::Error> {
        one::deserialize(d).map(Some)
    }
}

/// A list of dates.
pub(super) mod many {
    use super::*;

    pub(in crate::calendar) fn serialize<S: serde::Serializer>(dates: &[Date], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(dates.iter().map(Date::to_string))
    }

    pub(in crate::calendar) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Date>, D::Error> {
        let values = Vec::<toml::Value>::deserialize(d)?;
        values.iter().map(date).collect()
    }
}
