//! How a text is split into records: its delimiter, the lines before the header, the names.
//!
//! The header is the first line with the names of a bar.
//! A text whose first lines are numbers has no header.

use barbus_bars::{CLOSE, FRAME, HIGH, LOW, OPEN, SYMBOL, VOLUME, normalize_name};

use super::csv_fields::CsvFields;
use super::lines::MAX_LINE_BYTES;
use crate::bind::names::known_targets;
use crate::bind::wide;
use crate::sample::SAMPLE_ROWS;
use crate::values::kind::is_epoch;
use crate::values::number::has_decimal_comma;

/// What may separate fields. Of several that are equally frequent the first is taken.
const DELIMITERS: [u8; 4] = *b",\t;|";
/// Most lines before a header.
const MAX_PREAMBLE: usize = 20;
/// Most columns of a text.
pub(crate) const MAX_COLUMNS: usize = 65_536;
/// Fewest numbers of a line that may be a bar without a header.
const MIN_NUMBERS: usize = 4;

/// The beginning of a text, split.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextStart {
    pub(crate) delimiter: u8,
    /// The lines before the header.
    pub(crate) preamble: Vec<String>,
    /// The names of the header; numbers from one without a header.
    pub(crate) names: Vec<String>,
    pub(crate) has_header: bool,
    /// The number of the last line that is no record.
    pub(crate) skip_lines: u64,
    /// The texts of the first records.
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// What is known before the text is split.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// The names of the columns of a text without a header.
    pub(crate) columns: Vec<String>,
    /// What separates the fields.
    pub(crate) delimiter: Option<u8>,
    /// Names that a header has.
    pub(crate) header_names: Vec<String>,
}

/// Splits the lines of the beginning of a text; the last one may be cut where it is not `complete`.
///
/// # Errors
/// Why it is no text of records.
pub(crate) fn split_start(head: &[u8], complete: bool, expected: &Expected) -> Result<TextStart, String> {
    let lines = lines(head, complete);
    let Some((_, first)) = lines.first() else {
        return Err(if complete { "the input is empty" } else { "not CSV: the first line is longer than a megabyte" }
            .to_owned());
    };
    if first.len() > MAX_LINE_BYTES {
        return Err("not CSV: the first line is longer than a megabyte".to_owned());
    }
    if first.contains(&0) {
        return Err("not CSV: the first line has zero bytes".to_owned());
    }
    let split = |line: &[u8]| fields(line, expected.delimiter.unwrap_or_else(|| most_frequent(line)));
    let searched = lines.iter().take(MAX_PREAMBLE).enumerate();
    let mut header = None;
    let mut data = None;
    for (i, (_, line)) in searched {
        let Some(found) = split(line) else { continue };
        if data.is_none() && is_data(&found) {
            data = Some(i);
        }
        if data.is_none() && is_header(&found, expected) {
            header = Some(i);
            break;
        }
    }
    if !expected.columns.is_empty() {
        header = None;
    }
    // A line of names above the numbers, in a language that barbus does not know.
    if let (None, Some(at)) = (header, data)
        && expected.columns.is_empty()
        && let Some(names) = at.checked_sub(1).and_then(|above| fields(lines[above].1, most_frequent(lines[at].1)))
        && Some(names.len()) == fields(lines[at].1, most_frequent(lines[at].1)).map(|row| row.len())
        && names.iter().all(|name| !name.trim().is_empty() && !is_number(name))
    {
        header = Some(at - 1);
    }
    match (header, data) {
        (Some(at), _) => with_header(&lines, at, expected),
        (None, Some(at)) => Ok(without_header(&lines, at, expected)),
        (None, None) if !expected.columns.is_empty() => Err(format!(
            "no line has numbers: --columns names {} columns of a text without a header",
            expected.columns.len()
        )),
        (None, None) if lines[0].1.iter().all(|byte| !DELIMITERS.contains(byte)) && has_words(lines[0].1) => {
            Err("its fields are separated by blanks: put commas there, such as with tr -s ' ' ,".to_owned())
        }
        (None, None) => with_header(&lines, 0, expected),
    }
}

/// Whether a line has as many words as a bar has values.
fn has_words(line: &[u8]) -> bool {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() > MIN_NUMBERS
}

/// The lines that are not blank, each with its number. A byte order mark is no part of them.
fn lines(head: &[u8], complete: bool) -> Vec<(u64, &[u8])> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let mut lines: Vec<(u64, &[u8])> = (1..).zip(head.split(|byte| *byte == b'\n')).collect();
    if !complete {
        lines.pop();
    }
    let trimmed = lines.into_iter().map(|(number, line)| (number, line.strip_suffix(b"\r").unwrap_or(line)));
    trimmed.filter(|(_, line)| !line.trim_ascii().is_empty()).collect()
}

/// The delimiter that is most frequent in a line, outside of quotes. A comma within numbers between
/// other delimiters is that of their decimals.
pub(crate) fn most_frequent(line: &[u8]) -> u8 {
    let decimals = |delimiter: u8| {
        let fields = fields(line, delimiter).unwrap_or_default();
        let numbers = fields.iter().filter(|text| is_number(text)).count();
        numbers >= MIN_NUMBERS && fields.iter().any(|text| has_decimal_comma(text))
    };
    if let Some(delimiter) = b"\t;|".iter().find(|delimiter| line.contains(delimiter) && decimals(**delimiter)) {
        return *delimiter;
    }
    let mut quoted = false;
    let mut counts = [0usize; DELIMITERS.len()];
    for byte in line {
        quoted ^= *byte == b'"';
        if let Some(i) = DELIMITERS.iter().position(|delimiter| delimiter == byte).filter(|_| !quoted) {
            counts[i] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    DELIMITERS[counts.iter().position(|count| *count == most).unwrap_or(0)]
}

fn fields(line: &[u8], delimiter: u8) -> Option<Vec<String>> {
    texts_of(line, &mut CsvFields::new(delimiter))
}

fn texts_of(line: &[u8], fields: &mut CsvFields) -> Option<Vec<String>> {
    let split = fields.split(line);
    let text = |column: usize| String::from_utf8_lossy(fields.get(column)).into_owned();
    split.then(|| (0..fields.len()).map(text).collect())
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok() || has_decimal_comma(text)
}

/// Whether the fields may be those of a bar.
fn is_data(fields: &[String]) -> bool {
    fields.iter().filter(|text| is_number(text)).count() >= MIN_NUMBERS && fields.len() < MAX_COLUMNS
}

/// Whether the fields name the columns of a bar.
fn is_header(fields: &[String], expected: &Expected) -> bool {
    let targets = known_targets(fields, &[SYMBOL, FRAME, OPEN, HIGH, LOW, CLOSE, VOLUME]);
    let normal: Vec<String> = fields.iter().map(|name| normalize_name(name)).collect();
    let has = |name: &String| normal.contains(&normalize_name(name));
    let expected_names = !expected.header_names.is_empty() && expected.header_names.iter().all(has);
    expected_names || targets.len() >= 3 || !wide::groups(fields).is_empty()
}

fn with_header(lines: &[(u64, &[u8])], at: usize, expected: &Expected) -> Result<TextStart, String> {
    let (number, header) = lines[at];
    let delimiter = expected.delimiter.unwrap_or_else(|| most_frequent(header));
    let mut names = fields(header, delimiter).ok_or("a quoted field of the header does not end on its line")?;
    if names.len() > MAX_COLUMNS {
        return Err(format!("the header has {} columns: barbus reads at most {MAX_COLUMNS}", names.len()));
    }
    let mut skip_lines = number;
    let mut rest = &lines[at + 1..];
    if let Some(stacked) = stacked_names(&names, rest, delimiter) {
        names = stacked;
        skip_lines = rest[1].0;
        rest = &rest[2..];
    }
    // A delimiter at the end of the header makes one more name, which is empty.
    let width = rest.first().and_then(|(_, line)| fields(line, delimiter)).map(|fields| fields.len());
    if names.last().is_some_and(|name| name.trim().is_empty()) && width == Some(names.len() - 1) {
        names.pop();
    }
    let rows = rows(rest, delimiter, names.len());
    Ok(TextStart { delimiter, preamble: texts(&lines[..at]), names, has_header: true, skip_lines, rows })
}

/// The names of a header of three lines, as pandas writes columns of two levels: the names, the
/// symbol of each column, and the name of the first column. Each name is then `SYMBOL|NAME`.
fn stacked_names(names: &[String], rest: &[(u64, &[u8])], delimiter: u8) -> Option<Vec<String>> {
    let [(_, second), (_, third), ..] = rest else { return None };
    let (symbols, third) = (fields(second, delimiter)?, fields(third, delimiter)?);
    let one_width = symbols.len() == names.len() && third.len() == names.len() && names.len() > 1;
    let are_symbols = one_width && symbols[1..].iter().all(|text| !text.trim().is_empty() && !is_number(text));
    let is_index = are_symbols && !third[0].trim().is_empty() && third[1..].iter().all(|text| text.trim().is_empty());
    is_index.then(|| {
        let rest = names.iter().zip(&symbols).skip(1).map(|(name, symbol)| format!("{symbol}|{name}"));
        std::iter::once(third[0].clone()).chain(rest).collect()
    })
}

fn without_header(lines: &[(u64, &[u8])], at: usize, expected: &Expected) -> TextStart {
    let delimiter = expected.delimiter.unwrap_or_else(|| most_frequent(lines[at].1));
    let width = fields(lines[at].1, delimiter).map_or(0, |fields| fields.len());
    let name = |i: usize| expected.columns.get(i).cloned().unwrap_or_else(|| (i + 1).to_string());
    TextStart {
        delimiter,
        preamble: texts(&lines[..at]),
        names: (0..width).map(name).collect(),
        has_header: !expected.columns.is_empty(),
        skip_lines: if at == 0 { 0 } else { lines[at - 1].0 },
        rows: rows(&lines[at..], delimiter, width),
    }
}

fn texts(lines: &[(u64, &[u8])]) -> Vec<String> {
    lines.iter().map(|(_, line)| String::from_utf8_lossy(line).into_owned()).collect()
}

fn rows(lines: &[(u64, &[u8])], delimiter: u8, width: usize) -> Vec<Vec<Option<String>>> {
    let mut fields = CsvFields::new(delimiter);
    let split = lines.iter().filter_map(|(_, line)| texts_of(line, &mut fields)).filter(|row| row.len() >= width);
    split.take(SAMPLE_ROWS).map(|fields| fields.into_iter().map(Some).collect()).collect()
}

/// A line of a text without a header, with what its fields seem to be, for a message.
pub(crate) fn proposed_columns(row: &[Option<String>]) -> String {
    let text = |i: usize| row.get(i).and_then(|text| text.as_deref()).unwrap_or_default();
    let has_time = |text: &str| is_epoch(text) || text.contains([':', '-', '/']) || text.len() >= 8;
    let first = if has_time(text(0)) { "time" } else { "symbol,time" };
    let mut names: Vec<&str> = first.split(',').collect();
    names.extend(["open", "high", "low", "close", "volume"]);
    let names: Vec<String> =
        (0..row.len()).map(|i| names.get(i).map_or(format!("x{}", i + 1), |name| (*name).to_owned())).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> TextStart {
        split_start(text.as_bytes(), true, &Expected::default()).unwrap()
    }

    #[test]
    fn headers_are_found_behind_other_lines() {
        let plain = start("symbol;time;open;high;low;close;volume\nA;2023-05-09 09:31;1;1;1;1;1\n");
        assert_eq!((plain.delimiter, plain.skip_lines, plain.rows.len()), (b';', 1, 1));
        let titled = start("https://example.com\n\nUnix,Date,Symbol,Open,High,Low,Close\n1,2,A,1,1,1,1\n");
        assert_eq!((titled.preamble.len(), titled.skip_lines, titled.names.len()), (1, 3, 7));
        let padded = start("title\n  date\t  open\t high\t low\t close\t\n2023\t1\t1\t1\t1\n");
        assert_eq!(padded.names, ["date", "open", "high", "low", "close"]);
    }

    #[test]
    fn numbers_first_are_no_header() {
        let plain = start("1683662400,1,1,1,1,0.5,17\n1683662460,1,1,1,1,0.5,17\n");
        assert!(!plain.has_header && plain.skip_lines == 0);
        assert_eq!((plain.names.len(), plain.rows.len()), (7, 2));
        let german = start("Symbol;Datum;Hoch;Tief;Auf;Zu\nA;04.03.2024;1,5;2;1;1,25\n");
        assert!(german.has_header && german.skip_lines == 1, "its names are shown in the message");
        let unknown = start("a,b,c\n1,2,3\n");
        assert!(unknown.has_header, "its names are shown in the message");
    }

    #[test]
    fn commas_of_decimals_separate_no_fields() {
        let plain = start("04.03.2024 09:31;10,25;10,5;10,0;10,25;100,5\n");
        assert_eq!((plain.delimiter, plain.names.len(), plain.has_header), (b';', 6, false));
        let few = start("1,2,3,4,5;x\n");
        assert_eq!(few.delimiter, b',');
    }

    #[test]
    fn headers_of_three_lines_are_joined() {
        let text = "Price,Close,High,Low,Open,Volume\nTicker,A,A,A,A,A\nDatetime,,,,,\n2023-05-09 09:30,1,1,1,1,1\n";
        let found = start(text);
        assert_eq!(found.names, ["Datetime", "A|Close", "A|High", "A|Low", "A|Open", "A|Volume"]);
        assert_eq!((found.skip_lines, found.rows.len()), (3, 1));
    }

    #[test]
    fn what_is_no_text_of_records_is_refused() {
        let error = |text: &[u8]| split_start(text, true, &Expected::default()).unwrap_err();
        assert_eq!(error(b"\n\n"), "the input is empty");
        assert_eq!(error(b"\x01\0\x02\n"), "not CSV: the first line has zero bytes");
        assert_eq!(error(b"symbol,\"frame\n"), "a quoted field of the header does not end on its line");
        assert!(error(b"Date Time Open High Low\n2024-03-04 09:31 1 2 1\n").contains("separated by blanks"));
        let wide = vec![b','; MAX_COLUMNS + 1];
        assert!(error(&wide).contains("columns: barbus reads at most"));
    }
}
