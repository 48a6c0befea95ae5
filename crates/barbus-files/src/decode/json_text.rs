//! Pieces of JSON text: members of objects, elements of lists, and values as cells.
//!
//! Values are not parsed: numbers keep their digits until they are read as parts of a bar.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::values::cell::Cell;

/// The members of an object in their order, with unparsed values.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

/// The elements of a list, unparsed.
pub(crate) struct Elements<'a>(pub(crate) Vec<&'a RawValue>);

/// The members of the object in `text`; `None` for anything else.
pub(crate) fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let text = text.trim_start();
    if !text.starts_with('{') {
        return None;
    }
    let Members(members) = serde_json::from_str(text).ok()?;
    Some(members.into_iter().map(|(key, value)| (key, value.get())).collect())
}

/// The elements of the list in `text`; `None` for anything else.
pub(crate) fn elements(text: &str) -> Option<Vec<&str>> {
    let text = text.trim_start();
    if !text.starts_with('[') {
        return None;
    }
    let Elements(elements) = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// Whether a value is neither an object nor a list.
pub(crate) fn is_scalar(raw: &str) -> bool {
    !raw.starts_with(['{', '['])
}

/// A scalar as a cell: a string without its quotes, other values as written, nothing for null.
pub(crate) fn cell(raw: &str) -> Cell<'_> {
    if raw == "null" || !is_scalar(raw) {
        return Cell::Missing;
    }
    if raw == "true" || raw == "false" {
        return Cell::Truth(raw == "true");
    }
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cell::Text(Cow::Borrowed(raw.as_bytes()));
    };
    if !inner.contains('\\') {
        return Cell::Text(Cow::Borrowed(inner.as_bytes()));
    }
    // The whole text is valid JSON, so this string is too.
    let text: String = serde_json::from_str(raw).unwrap_or_else(|_| inner.to_owned());
    Cell::Text(Cow::Owned(text.into_bytes()))
}

/// The text of a scalar; `None` for null, objects and lists.
pub(crate) fn text(raw: &str) -> Option<String> {
    cell(raw).text().map(Cow::into_owned)
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct Object<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Object<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                let mut members = Vec::with_capacity(12);
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object(std::marker::PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Elements<'a>, D::Error> {
        struct List<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for List<'a> {
            type Value = Elements<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Elements<'a>, A::Error> {
                let mut elements = Vec::with_capacity(12);
                while let Some(value) = list.next_element()? {
                    elements.push(value);
                }
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(List(std::marker::PhantomData))
    }
}

/// A key; borrowed from the text when it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'a>, D::Error> {
        struct Text<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Text<'a> {
            type Value = Key<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text(std::marker::PhantomData))
    }
}
