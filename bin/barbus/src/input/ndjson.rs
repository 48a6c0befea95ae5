//! NDJSON: one JSON object a line, each a bar.
//!
//! Keys are columns and are matched like the names of a CSV header.
//! Lines may differ in their keys and their order.
//! Numbers may be JSON numbers or strings; both are parsed from their text, so no digit is lost.
//! `null` is a missing value.
//! Blank lines are skipped; any other line that is not such an object is rejected.

use std::borrow::Cow;
use std::fmt;
use std::io::BufRead;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{BarParser, Binding};
use super::line_source::{LineParser, LineSource};
use super::lines::Lines;
use super::options::InputOptions;
use super::rows::Rows;
use super::source::RowSource;

/// The rows of `reader`; messages call the input `input`. Nothing is read yet.
pub(super) fn open(input: &str, reader: impl BufRead + Send + 'static, options: &InputOptions) -> Box<dyn RowSource> {
    let parser = NdjsonParser { options: options.clone(), bars: BarParser::new(options), last: None };
    Box::new(LineSource::new(input, Lines::new(reader), parser))
}

struct NdjsonParser {
    options: InputOptions,
    bars: BarParser,
    /// The keys of the last object and their binding: most objects have the same keys.
    last: Option<(Vec<String>, Binding)>,
}

impl LineParser for NdjsonParser {
    fn parse(&mut self, line: &[u8], rows: &mut Rows) -> Result<(), String> {
        let text = line.trim_ascii();
        if text.first() != Some(&b'{') {
            return Err("the line is not a JSON object".to_owned());
        }
        let Members(members) =
            serde_json::from_slice(text).map_err(|error| format!("not JSON: {}", without_line(&error)))?;
        let same = |keys: &[String]| {
            keys.len() == members.len() && keys.iter().zip(&members).all(|(key, member)| *key == member.0)
        };
        let binding = match &self.last {
            Some((keys, binding)) if same(keys) => binding,
            _ => {
                let keys: Vec<String> = members.iter().map(|member| member.0.to_string()).collect();
                let binding = Binding::find(&keys, &self.options).map_err(|error| error.to_string())?;
                &self.last.insert((keys, binding)).1
            }
        };
        for column in binding.columns() {
            let (key, value) = &members[column];
            if value.get().starts_with(['{', '[', 't', 'f']) {
                return Err(format!("{key} is neither a number nor a string"));
            }
        }
        let field = |column: usize| value(members[column].1.get());
        self.bars.push(binding, field, rows).map_err(|fault| fault.to_string())
    }
}

/// The text of a JSON value: a string without its quotes, other values as written, `None` for null.
fn value(raw: &str) -> Option<Cow<'_, [u8]>> {
    if raw == "null" {
        return None;
    }
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Some(Cow::Borrowed(raw.as_bytes()));
    };
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner.as_bytes()));
    }
    // The whole line is valid JSON, so this string is too.
    let text: String = serde_json::from_str(raw).unwrap_or_else(|_| inner.to_owned());
    Some(Cow::Owned(text.into_bytes()))
}

/// The message of serde_json without `at line 1`, which is not the line number of the file.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// The members of an object in their order, with unparsed values.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

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

/// A key; borrowed from the line when it has no escapes.
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

#[cfg(test)]
mod tests {
    use super::super::testing::{open_error, options, read, reason};

    const FRAME_MS: i64 = 1_646_098_260_000; // 2022-03-01 09:31 in Shanghai

    #[test]
    fn keys_may_have_any_order_and_numbers_may_be_strings() {
        let content = r#"{"symbol":"A","frame":"2022-03-01T01:31:00Z","open":9.27,"high":1e3,"low":-0.1,"close":0.30000000000000004,"volume":47018200,"money":null}

{"t":1646098260000,"s":"A","o":"9.27","h":"1000","l":"-0.1","c":"0.30000000000000004","v":"47018200","extra":{"a":[1]}}
 {"symbol":"\u0041","frame":"2022-03-01T01:31:00Z","open":9.27,"high":1e3,"low":-0.1,"close":0.30000000000000004,"volume":47018200,"factor":6.889934}
"#;
        let found = read("a.jsonl", content, &options()).unwrap();
        assert_eq!(found.rejects, []);
        let numbers = [9.27, 1000.0, -0.1, 0.30000000000000004, 47018200.0];
        let bar = |factor| ("A".to_owned(), FRAME_MS, numbers, [None, factor]);
        assert_eq!(found.bars, [bar(None), bar(None), bar(Some(6.889934))]);
    }

    /// serde_json's own numbers may be off by one unit in the last place.
    #[test]
    fn numbers_are_rounded_once() {
        for text in ["122.416294033786585", "1.7976931348623157e308", "5e-324", "0.000000000000000000000000013"] {
            let line = format!(
                r#"{{"symbol":"A","frame":"2022-03-01 09:31","open":{text},"high":1,"low":1,"close":1,"volume":1}}"#
            );
            let found = read("a.ndjson", line, &options()).unwrap();
            assert_eq!(found.bars[0].2[0].to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }

    /// Promise 9: a bad row is kept with its text, its place and its reason; good rows pass.
    #[test]
    fn bad_lines_are_rejected_one_by_one() {
        let rest = r#""open":1,"high":1,"low":1,"close":1,"volume":1}"#;
        let content = format!(
            r#"{{"symbol":"A","frame":"2022-03-01 09:31",{rest}
{{"symbol":"A","frame":"2022-03-01 09:31",
[1,2]
{{"symbol":"A",{rest}
{{"symbol":true,"frame":"2022-03-01 09:31",{rest}
{{"symbol":"A","frame":null,{rest}
{{"symbol":"A","frame":"2022-03-01 09:31","open":2,{rest}
{{"symbol":"A","frame":"2022-03-01 09:31","money":"much",{rest}
{{"symbol":"A","frame":"2022-03-01 09:31",{rest}"#
        );
        let found = read("a.ndjson", content, &options()).unwrap();
        assert_eq!(found.bars.len(), 2);
        let rejects: Vec<_> = found.rejects.iter().map(reason).collect();
        let expected = [
            ("a.ndjson:2", "not JSON: EOF while parsing a value at column 41"),
            ("a.ndjson:3", "the line is not a JSON object"),
            ("a.ndjson:4", "no column for frame among symbol, open, high, low, close, volume"),
            ("a.ndjson:5", "symbol is neither a number nor a string"),
            ("a.ndjson:6", "frame is missing"),
            ("a.ndjson:7", "two columns are named \"open\": rename one of them"),
            ("a.ndjson:8", "cannot read \"much\" as money"),
        ];
        assert_eq!(rejects, expected);
        assert_eq!(found.rejects[1].row, "[1,2]");
    }

    #[test]
    fn an_empty_file_has_no_rows_and_an_array_is_refused() {
        assert!(read("a.ndjson", "", &options()).unwrap().bars.is_empty());
        assert_eq!(
            open_error("a.json", "[\n{}]"),
            "a.json: is a JSON array: barbus reads one object per line (convert it with jq -c '.[]')"
        );
    }
}
