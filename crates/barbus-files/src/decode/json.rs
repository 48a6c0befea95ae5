//! One JSON document: the rows under a path in it.
//!
//! Rows are a list of objects or lists, an object of lists side by side, an object whose keys are
//! the times, or one object that is a bar. The keys of an object may be symbols, each with rows of
//! its own.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use barbus_bars::PRICE_COLUMNS;

use super::json_record::{JsonRecord, LIST_NAMES};
use super::json_text::{self, is_scalar};
use crate::bind::names::known_targets;
use crate::error::InputError;
use crate::records::{Records, Step};
use crate::values::cell::Cell;
use crate::values::kind::{is_date_time, is_epoch};

/// A document, valid JSON as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    text: Arc<str>,
}

/// How rows lie in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A list of objects or lists.
    List,
    /// An object of lists of one length.
    Columns,
    /// An object of objects, whose keys are times.
    Keyed,
    /// An object that is one bar.
    One,
}

/// Rows at one place in a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    pub(crate) symbol: Option<String>,
    pub(crate) shape: Shape,
    range: Range<usize>,
}

/// Deepest level at which rows are searched.
const MAX_DEPTH: usize = 5;
/// Most members of an object that are searched.
const MAX_SEARCHED: usize = 64;
/// Keys that name a symbol beside the rows; `code` does not, it is that of an error.
const SYMBOL_KEYS: [&str; 4] = ["symbol", "ticker", "instrument", "pair"];
/// Keys that name the columns beside the rows.
const COLUMN_KEYS: [&str; 4] = ["columns", "fields", "headers", "keys"];

impl Document {
    /// Checks that `text` is one JSON value.
    ///
    /// # Errors
    /// Where it is not.
    pub(crate) fn parse(text: String) -> Result<Document, String> {
        let _: &serde_json::value::RawValue =
            serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| format!("not JSON: {error}"))?;
        let text = text.trim_start_matches('\u{feff}').to_owned();
        Ok(Document { text: text.into() })
    }

    fn range_of(&self, value: &str) -> Range<usize> {
        // Each value is borrowed from the text.
        let start = value.as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + value.len()
    }

    /// The values at a path; `*`, `{symbol}` and `{frame}` stand for any key.
    fn values(&self, path: &str) -> Vec<(Option<String>, &str)> {
        let mut found = vec![(None, self.text.trim())];
        for key in path.split('.').filter(|key| !key.is_empty()) {
            let mut next = Vec::new();
            for (symbol, value) in found {
                if key == "{frame}" {
                    next.push((symbol, value));
                    continue;
                }
                for (name, inner) in json_text::members(value).unwrap_or_default() {
                    let any = key == "{symbol}" || key.contains('*');
                    let fits = match any {
                        true => key == "{symbol}" || glob::Pattern::new(key).is_ok_and(|key| key.matches(&name)),
                        false => name == key,
                    };
                    if fits {
                        let symbol = if key == "{symbol}" { Some(name.into_owned()) } else { symbol.clone() };
                        next.push((symbol, inner));
                    }
                }
            }
            found = next;
        }
        found
    }

    /// The text of a scalar at a path.
    pub(crate) fn text_at(&self, path: &str) -> Option<String> {
        self.values(path).first().and_then(|(_, value)| json_text::text(value))
    }

    /// The texts of a list at a path.
    pub(crate) fn list_at(&self, path: &str) -> Option<Vec<String>> {
        let (_, value) = self.values(path).into_iter().next()?;
        json_text::elements(value)?.into_iter().map(json_text::text).collect()
    }

    /// The rows at a path; values there that are no rows are left out.
    pub(crate) fn blocks(&self, path: &str) -> Vec<Block> {
        let values = self.values(path).into_iter();
        let keyed = path.ends_with("{frame}");
        let block = |(symbol, value): (Option<String>, &str)| {
            let shape = if keyed { Some(Shape::Keyed) } else { shape(value) };
            Some(Block { symbol, shape: shape?, range: self.range_of(value) })
        };
        values.filter_map(block).collect()
    }

    /// The paths to everything that looks like rows.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        search(self.text.trim(), String::new(), 0, &mut paths);
        paths
    }

    /// The symbol beside the rows at `path` or above them.
    pub(crate) fn symbol_beside(&self, path: &str) -> Option<String> {
        let mut keys: Vec<&str> = path.split('.').filter(|key| !key.is_empty()).collect();
        loop {
            keys.pop()?;
            let parent = self.values(&keys.join(".")).into_iter().next()?.1;
            let members = json_text::members(parent)?;
            let named = members.iter().find(|(key, value)| SYMBOL_KEYS.contains(&&**key) && value.starts_with('"'));
            if let Some((_, value)) = named {
                return json_text::text(value).filter(|text| !text.is_empty());
            }
        }
    }

    /// The names of the columns beside the rows at `path`.
    pub(crate) fn columns_beside(&self, path: &str) -> Option<Vec<String>> {
        let (parent, _) = path.rsplit_once('.').unwrap_or(("", path));
        COLUMN_KEYS.iter().find_map(|key| {
            let list = self.list_at(format!("{parent}.{key}").trim_start_matches('.'))?;
            (list.len() >= LIST_NAMES.len() - 1).then_some(list)
        })
    }
}

/// How rows lie in a value; `None` if it holds none.
fn shape(value: &str) -> Option<Shape> {
    let value = value.trim();
    if value.starts_with('[') {
        return first_element(value).is_some_and(is_record).then_some(Shape::List);
    }
    let members = json_text::members(value)?;
    let lists = members.iter().filter_map(|(_, value)| json_text::elements(value).map(|list| list.len()));
    let mut lengths: Vec<usize> = lists.filter(|length| *length > 0).collect();
    lengths.sort_unstable();
    if lengths.len() >= 5 && lengths.windows(2).filter(|pair| pair[0] == pair[1]).count() >= 4 {
        return Some(Shape::Columns);
    }
    let is_keyed = |(key, value): &(Cow<'_, str>, &str)| value.starts_with('{') && is_record(value) && is_time(key);
    if !members.is_empty() && members.iter().all(is_keyed) {
        return Some(Shape::Keyed);
    }
    is_bar(&members).then_some(Shape::One)
}

/// Whether a key is the time of what is under it.
pub(crate) fn is_time(key: &str) -> bool {
    is_epoch(key) || is_date_time(key)
}

/// Whether the members of an object name the four prices.
fn is_bar(members: &[(Cow<'_, str>, &str)]) -> bool {
    let scalars = members.iter().filter(|(_, value)| is_scalar(value));
    let names: Vec<String> = scalars.map(|(key, _)| key.clone().into_owned()).collect();
    known_targets(&names, &PRICE_COLUMNS).len() == PRICE_COLUMNS.len()
}

/// Whether a value may be a bar: a list or an object of enough scalars.
fn is_record(value: &str) -> bool {
    if let Some(values) = json_text::elements(value) {
        return values.len() >= 5 && values.len() < 64 && values.iter().all(|value| is_scalar(value));
    }
    json_text::members(value).is_some_and(|members| members.iter().filter(|(_, value)| is_scalar(value)).count() >= 4)
}

fn search(value: &str, path: String, depth: usize, paths: &mut Vec<String>) {
    if shape(value).is_some() {
        paths.push(path);
        return;
    }
    if depth == MAX_DEPTH || paths.len() >= MAX_SEARCHED {
        return;
    }
    for (key, inner) in json_text::members(value).unwrap_or_default().into_iter().take(MAX_SEARCHED) {
        if !is_scalar(inner) {
            let path = if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") };
            search(inner, path, depth + 1, paths);
        }
    }
}

fn first_element(list: &str) -> Option<&str> {
    let mut scanner = Scanner { text: list, at: 1 };
    scanner.element().map(|range| &list[range])
}

/// Walks over the elements of a list or the members of an object in valid JSON.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    /// The range of the next element; `None` at the end.
    fn element(&mut self) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b',') {
            self.at += 1;
        }
        let start = self.at;
        if bytes.get(start).is_none_or(|byte| matches!(byte, b']' | b'}')) {
            return None;
        }
        let (mut depth, mut in_text) = (0usize, false);
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\\' if in_text => self.at += 1,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b',' | b']' | b'}' | b':' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        let end = self.at.min(bytes.len());
        Some(start..start + self.text[start..end].trim_end().len())
    }

    /// The ranges of the next key and its value; `None` at the end.
    fn member(&mut self) -> Option<(Range<usize>, Range<usize>)> {
        let key = self.element()?;
        while self.text.as_bytes().get(self.at).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b':') {
            self.at += 1;
        }
        Some((key, self.element()?))
    }
}

/// The records of a document.
pub(crate) struct Json {
    input: String,
    text: Arc<str>,
    blocks: std::vec::IntoIter<Block>,
    block: Option<Block>,
    record: JsonRecord,
    /// Where the walk through the block is.
    at: usize,
    /// The key of the record in a keyed block.
    key: Range<usize>,
    /// The columns of a block of columns: names and values.
    columns: Vec<(String, Vec<Range<usize>>)>,
    row: u64,
    problem: String,
}

impl Json {
    /// The records of `blocks` of `document`; lists have these names.
    pub(crate) fn new(input: &str, document: Document, blocks: Vec<Block>, list_names: &[String]) -> Json {
        Json {
            input: input.to_owned(),
            text: document.text,
            blocks: blocks.into_iter(),
            block: None,
            record: JsonRecord::new(list_names),
            at: 0,
            key: 0..0,
            columns: Vec::new(),
            row: 0,
            problem: String::new(),
        }
    }

    fn open_block(&mut self) -> bool {
        let Some(block) = self.blocks.next() else { return false };
        self.at = block.range.start + 1;
        self.columns.clear();
        if block.shape == Shape::Columns {
            self.at = 0;
            let text = &self.text;
            let span = |value: &str| {
                let start = value.as_ptr() as usize - text.as_ptr() as usize;
                start..start + value.len()
            };
            for (name, list) in json_text::members(&text[block.range.clone()]).unwrap_or_default() {
                if let Some(values) = json_text::elements(list) {
                    self.columns.push((name.into_owned(), values.into_iter().map(span).collect()));
                }
            }
        }
        self.block = Some(block);
        true
    }

    /// Goes to the next record of the block; `None` at its end.
    fn next_in_block(&mut self) -> Option<Step> {
        let block = self.block.as_ref()?;
        let shape = block.shape;
        if shape == Shape::Columns {
            let longest = self.columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
            self.at += 1;
            return (self.at <= longest).then_some(if self.at == 1 { Step::NewNames } else { Step::Record });
        }
        let mut scanner = Scanner { text: &self.text[..block.range.end], at: self.at };
        let value = match shape {
            Shape::One if self.at > block.range.end => return None,
            Shape::One => {
                scanner.at = block.range.end + 1;
                block.range.clone()
            }
            Shape::Keyed => {
                let (key, value) = scanner.member()?;
                self.key = key;
                value
            }
            _ => scanner.element()?,
        };
        self.at = scanner.at;
        Some(match self.record.take(&self.text, value) {
            Ok(step) => step,
            Err(problem) => {
                self.problem = problem;
                Step::Bad
            }
        })
    }

    fn is_keyed(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.shape == Shape::Keyed)
    }

    fn is_columns(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.shape == Shape::Columns)
    }
}

impl Records for Json {
    fn advance(&mut self) -> Result<Step, InputError> {
        loop {
            if let Some(step) = self.next_in_block() {
                self.row += 1;
                return Ok(step);
            }
            if !self.open_block() {
                return Ok(Step::End);
            }
        }
    }

    fn names(&self) -> Vec<String> {
        if self.is_columns() {
            return self.columns.iter().map(|(name, _)| name.clone()).collect();
        }
        let mut names = self.record.names.clone();
        if self.is_keyed() {
            names.push("frame".to_owned());
        }
        names
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        if self.is_columns() {
            let values = self.columns.get(column).map(|(_, values)| values);
            let span = values.and_then(|values| values.get(self.at.wrapping_sub(1)));
            return span.map_or(Cell::Missing, |span| json_text::cell(&self.text[span.clone()]));
        }
        if self.is_keyed() && column == self.record.names.len() {
            return json_text::cell(&self.text[self.key.clone()]);
        }
        self.record.cell(&self.text, column)
    }

    fn symbol(&self) -> Option<&str> {
        self.block.as_ref()?.symbol.as_deref()
    }

    fn text(&self) -> String {
        let names = self.names();
        let value = |column: usize| self.cell(column).text().unwrap_or_default().into_owned();
        let members = names.iter().enumerate().map(|(column, name)| (name.clone(), value(column).into()));
        serde_json::Value::Object(members.collect()).to_string()
    }

    fn place(&self) -> String {
        format!("row {}", self.row)
    }

    fn problem(&self) -> String {
        format!("{}: {}", self.input, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, path: &str) -> Vec<String> {
        let document = Document::parse(text.to_owned()).unwrap();
        let blocks = document.blocks(path);
        let mut json = Json::new("a.json", document, blocks, &[]);
        let mut rows = Vec::new();
        while json.advance().unwrap() != Step::End {
            let cells = (0..json.names().len()).map(|i| json.cell(i).text().unwrap_or_default().into_owned());
            let cells: Vec<String> = cells.collect();
            rows.push(format!("{} {}", json.symbol().unwrap_or("-"), cells.join(",")));
        }
        rows
    }

    #[test]
    fn rows_of_every_shape_are_found() {
        let lists = r#"{"result":{"symbol":"A","list":[["1","2","3","4","5","6"],[7,8,9,10,11,12]]}}"#;
        assert_eq!(Document::parse(lists.to_owned()).unwrap().paths(), ["result.list"]);
        assert_eq!(rows(lists, "result.list"), ["- 1,2,3,4,5,6", "- 7,8,9,10,11,12"]);
        let symbols = r#"{"bars":{"A":[{"o":1,"h":2,"l":0,"c":1}],"B":[{"o":3,"h":4,"l":2,"c":3}]},"next":null}"#;
        assert_eq!(Document::parse(symbols.to_owned()).unwrap().paths(), ["bars.A", "bars.B"]);
        assert_eq!(rows(symbols, "bars.{symbol}"), ["A 1,2,0,1", "B 3,4,2,3"]);
        let columns = r#"{"s":"ok","t":[1,2],"o":[3,4],"h":[5,6],"l":[7,8],"c":[9,10]}"#;
        assert_eq!(rows(columns, ""), ["- 1,3,5,7,9", "- 2,4,6,8,10"]);
        let keyed = r#"{"Meta":{"x":"1"},"Series (1min)":{"t1":{"o":"1","h":"2","l":"3","c":"4"},"t2":{"o":"5","h":"6","l":"7","c":"8"}}}"#;
        assert_eq!(rows(keyed, "Series (*).{frame}"), ["- 1,2,3,4,t1", "- 5,6,7,8,t2"]);
        assert_eq!(rows("[]", ""), [] as [&str; 0]);
        let times = r#"{"2024-03-04 09:31":{"o":1,"h":2,"l":0,"c":1}}"#;
        assert_eq!(rows(times, ""), ["- 1,2,0,1,2024-03-04 09:31"]);
        let bars = r#"{"bars":{"A":{"t":9,"o":1,"h":2,"l":0,"c":1},"B":{"t":9,"o":3,"h":4,"l":2,"c":3}}}"#;
        assert_eq!(Document::parse(bars.to_owned()).unwrap().paths(), ["bars.A", "bars.B"]);
        assert_eq!(rows(bars, "bars.{symbol}"), ["A 9,1,2,0,1", "B 9,3,4,2,3"]);
        let one = r#" {"id":7,"data":{"bar":{"open":1,"high":2,"low":0,"close":1,"x":{}}}}"#;
        assert_eq!(Document::parse(one.to_owned()).unwrap().paths(), ["data.bar"]);
        assert_eq!(rows(one, "data.bar"), ["- 1,2,0,1,"]);
    }

    #[test]
    fn a_symbol_and_the_names_of_columns_beside_the_rows_are_found() {
        let text = r#"{"code":0,"data":{"ticker":"A","fields":["t","o","h","l","c"],"items":[[1,2,3,4,5]]}}"#;
        let document = Document::parse(text.to_owned()).unwrap();
        assert_eq!(document.symbol_beside("data.items").as_deref(), Some("A"));
        assert_eq!(document.columns_beside("data.items").unwrap(), ["t", "o", "h", "l", "c"]);
        assert_eq!(document.text_at("code").as_deref(), Some("0"));
    }
}
