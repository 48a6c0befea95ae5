//! CSV: a header line, then one bar a line.
//!
//! The delimiter is the one of comma, tab, semicolon and bar that the header has most of. Fields may be quoted; a
//! quoted field ends on its own line, so that one stray quote costs one line and not the rest of the file. Blank
//! lines are skipped. A line with a wrong number of fields or a value that cannot be read is rejected, with its text
//! as it stood. A header without a required column is an error before any row; a header alone is no rows.

use std::borrow::Cow;
use std::io::BufRead;

use super::fields::{BarParser, Binding};
use super::input::failed;
use super::line_rows::LineRows;
use super::lines::{Line, Lines};
use super::plain_rows::PlainRows;
use super::{InputError, Options, Parsed};

const DELIMITERS: [u8; 4] = *b",\t;|";

/// Rows of a CSV text.
pub(crate) struct Csv<R> {
    input: String,
    lines: Lines<R>,
    delimiter: u8,
    binding: Binding,
    width: usize,
    parser: BarParser,
    /// Nearly all lines.
    plain: Option<PlainRows>,
    /// Starts and ends of the fields of the current line.
    spans: Vec<(usize, usize)>,
}

impl<R: BufRead> Csv<R> {
    /// Reads the header of `reader`, which is called `input` in messages.
    ///
    /// # Errors
    /// [`InputError`] when there is no header, it does not have the columns needed, or reading fails.
    pub(crate) fn open(input: &str, reader: R, options: &Options) -> Result<Csv<R>, InputError> {
        let mut lines = Lines::new(reader);
        let format = |reason: &str| InputError::Format { input: input.to_owned(), reason: reason.to_owned() };
        match lines.advance().map_err(|error| failed(input, &lines, error))? {
            None => {
                return Err(InputError::Empty { input: input.to_owned() });
            }
            Some(Line::TooLong) => return Err(format("not CSV: the first line does not end")),
            Some(Line::Torn) => {
                let error = lines.advance().expect_err("a torn line is followed by its failure");
                return Err(failed(input, &lines, error));
            }
            Some(Line::Whole) => {}
        }
        let header = String::from_utf8_lossy(lines.text()).into_owned();
        if header.contains('\0') {
            return Err(format("not CSV: the first line has zero bytes"));
        }
        let delimiter = most_frequent(&header);
        let mut spans = Vec::new();
        if !split(header.as_bytes(), delimiter, &mut spans) {
            return Err(format("a quoted field of the header does not end on its line"));
        }
        let names: Vec<Cow<'_, [u8]>> = spans.iter().map(|span| unquoted(&header.as_bytes()[span.0..span.1])).collect();
        let names: Vec<Cow<'_, str>> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
        let binding = Binding::of_header(input, &names, options)?;
        let roles = binding.roles(names.len());
        let plain = roles.map(|roles| PlainRows::new(delimiter, roles));
        Ok(Csv {
            input: input.to_owned(),
            delimiter,
            binding,
            width: names.len(),
            plain,
            parser: BarParser::new(options),
            spans,
            lines,
        })
    }
}

#[cfg(test)]
impl<R> Csv<R> {
    /// Has every line read by the parser that knows all of what a line may be.
    pub(super) fn without_plain_rows(self) -> Csv<R> {
        Csv { plain: None, ..self }
    }
}

impl<R: BufRead + Send> LineRows for Csv<R> {
    type Reader = R;

    fn input(&self) -> &str {
        &self.input
    }

    fn lines(&mut self) -> &mut Lines<R> {
        &mut self.lines
    }

    fn plain_lines(&mut self, most: usize, parsed: &mut Parsed) {
        let Some(plain) = &mut self.plain else { return };
        let (frames, rows) = (self.parser.frames(), &mut parsed.bars);
        self.lines.take(|bytes| plain.take(bytes, most, frames, rows));
    }

    fn whole_line(&mut self, parsed: &mut Parsed) -> Result<(), String> {
        let text = self.lines.text();
        if !split(text, self.delimiter, &mut self.spans) {
            return Err("a quoted field does not end on its line".to_owned());
        }
        if self.spans.len() != self.width {
            let count = self.spans.len();
            let fields = if count == 1 { "field" } else { "fields" };
            return Err(format!("{count} {fields} where the header has {}", self.width));
        }
        let spans = &self.spans;
        let field = |column: usize| {
            let (start, end) = spans[column];
            Some(unquoted(&text[start..end]))
        };
        self.parser.push(&self.binding, field, &mut parsed.bars).map_err(|fault| fault.to_string())
    }
}

fn most_frequent(header: &str) -> u8 {
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    // Of equals max_by_key takes the last one: comma has to be it.
    let best = DELIMITERS.iter().rev().max_by_key(|delimiter| count(delimiter));
    *best.unwrap_or(&b',')
}

/// Finds the fields of a line, quotes included; `false` when a quoted field does not end.
fn split(line: &[u8], delimiter: u8, spans: &mut Vec<(usize, usize)>) -> bool {
    spans.clear();
    let mut start = 0;
    loop {
        let rest = &line[start..];
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let mut quoted_until = 0;
        if rest.get(blanks) == Some(&b'"') {
            match closing_quote(&rest[blanks + 1..]) {
                Some(close) => quoted_until = blanks + 1 + close + 1,
                None => return false,
            }
        }
        match memchr::memchr(delimiter, &rest[quoted_until..]) {
            Some(at) => {
                let end = start + quoted_until + at;
                spans.push((start, end));
                start = end + 1;
            }
            None => {
                spans.push((start, line.len()));
                return true;
            }
        }
    }
}

/// Index of the quote that ends a field whose opening quote is just before `text`; doubled quotes stand for one.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'"', &text[from..])?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// A field without surrounding blanks, its quotes and doubled quotes.
fn unquoted(field: &[u8]) -> Cow<'_, [u8]> {
    let field = field.trim_ascii();
    let Some(inner) = field.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return Cow::Borrowed(field);
    };
    if !inner.contains(&b'"') {
        return Cow::Borrowed(inner);
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        text.push(byte);
        if byte == b'"' {
            bytes.next_if_eq(&b'"');
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use barbus_bars::{ColumnMap, Label};

    use super::super::testing::{HEADER, gzip, options, plain, read, read_path, reason, refusal};

    const FRAME_MS: i64 = 1_646_098_260_000; // 2022-03-01 09:31 in Shanghai

    #[test]
    fn values_are_the_doubles_nearest_to_their_text() {
        let found = read(
            "a.csv",
            format!(
                "{HEADER}002537.XSHE,2022-03-01T01:31:00Z,9.27,1e3,-0.1,0.30000000000000004,47018200.0,,6.889934\n"
            ),
            &options(),
        )
        .unwrap();
        let numbers = [9.27, 1000.0, -0.1, 0.30000000000000004, 47018200.0];
        assert_eq!(found.bars, [("002537.XSHE".to_owned(), FRAME_MS, numbers, [None, Some(6.889934)])]);
        assert_eq!(found.rejects, []);
    }

    #[test]
    fn vendor_names_delimiters_quotes_marks_and_line_ends() {
        let row = |d: &str| ["\"a\"\"b\"", " \"2022-03-01 09:31\" ", "1", "2", "0.5", "1.5", "10"].join(d);
        let header = |d: &str| ["\"Code\"", "datetime", "o", "h", "l", "c", "vol"].join(d);
        let contents = [
            format!("{}\n{}\n", header(","), row(",")),
            format!("\u{feff}{}\r\n\r\n{}\r\n\r\n", header(","), row(",")),
            format!("{}\n{}", header("\t"), row("\t")),
            format!("{}\n\n  \n{}", header(";"), row(";")),
            format!("{}\n{}", header("|"), row("|")),
        ];
        for content in contents {
            let found = read("a.csv", &content, &options()).unwrap();
            let bar = ("a\"b".to_owned(), FRAME_MS, [1.0, 2.0, 0.5, 1.5, 10.0], [None, None]);
            assert_eq!(found.bars, [bar], "{content:?}");
            assert_eq!(found.rejects, []);
        }
    }

    #[test]
    fn a_quoted_field_may_hold_delimiters() {
        let content = "name,symbol,frame,open,high,low,close,volume\n\"x, y\",A,2022-03-01 09:31,1,1,1,1,\"1\"\n";
        assert_eq!(read("a.csv", content, &options()).unwrap().bars.len(), 1);
    }

    #[test]
    fn the_map_the_zone_and_the_label_are_used() {
        let mut options = options();
        options.map = ColumnMap::parse("frame=close_time,money=quote").unwrap();
        options.zone = Some(jiff::tz::TimeZone::UTC);
        options.label = Label::Start;
        let content = "symbol,open_time,close_time,open,high,low,close,volume,quote\n\
                       A,1,2022-03-01 01:30,1,1,1,1,1,7\n";
        let found = read("a.csv", content, &options).unwrap();
        assert_eq!(found.bars, [("A".to_owned(), FRAME_MS, [1.0; 5], [Some(7.0), None])]);
    }

    // Promise 9: a bad row is kept with its text, its place and its reason, and the good ones go on.
    #[test]
    fn bad_rows_are_rejected_one_by_one() {
        let good = "A,2022-03-01 09:31,1,1,1,1,1,,\n";
        let content = [
            HEADER.as_bytes(),
            good.as_bytes(),
            b"A,2022-03-01 09:32,1,1,1,1,1\n",
            b"A,2022-03-01 09:33,1,one,1,1,1,,\n",
            b"A,2022-02-30 09:34,1,1,1,1,1,,\n",
            b"\n",
            b"A,2022-03-01 09:35,1,1,1,,1,,\n",
            b"A,2022-03-01 09:36,1,1,1,1,1,,x\n",
            b"A,\"2022-03-01 09:37,1,1,1,1,1,,\n",
            b"\xFF,2022-03-01 09:38,1,1,1,1,1,,\n",
            b"A,2022-03-01 09:39:00.0005,1,1,1,1,1,,\n",
            b"A\n",
            good.as_bytes(),
        ]
        .concat();
        let found = read("a.csv", content, &options()).unwrap();
        assert_eq!(found.bars.len(), 2);
        let rejects: Vec<_> = found.rejects.iter().map(reason).collect();
        let expected = [
            ("a.csv:3", "7 fields where the header has 9"),
            ("a.csv:4", "cannot read \"one\" as high"),
            ("a.csv:5", "cannot read \"2022-02-30 09:34\" as frame"),
            ("a.csv:7", "close is missing"),
            ("a.csv:8", "cannot read \"x\" as factor"),
            ("a.csv:9", "a quoted field does not end on its line"),
            ("a.csv:10", "cannot read \"\u{fffd}\" as symbol"),
            ("a.csv:11", "frame is not on the bar interval"),
            ("a.csv:12", "1 field where the header has 9"),
        ];
        assert_eq!(rejects, expected);
        assert_eq!(found.rejects[5].row, "A,\"2022-03-01 09:37,1,1,1,1,1,,");
    }

    #[test]
    fn rows_that_only_break_a_rule_go_to_the_daemon() {
        let content = format!(
            "{HEADER}A,2022-03-01 09:31,1,1,1,1,-1,,\nA,2022-03-01 09:31:30,1,0,1,1,1,,\n,2022-03-01 09:31,NaN,inf,1,1,1,,\n"
        );
        let found = read("a.csv", content, &options()).unwrap();
        assert_eq!(found.bars.len(), 3);
        assert_eq!(found.bars[0].2[4], -1.0);
        assert!(found.bars[2].2[0].is_nan());
    }

    #[test]
    fn a_header_that_will_not_do_is_refused() {
        assert_eq!(
            refusal("ticks.csv", "symbol,time,open,high,low,volume\nA,1,1,1,1,1\n"),
            "ticks.csv: no column for \"close\": the header has symbol, time, open, high, low, volume"
        );
        assert_eq!(
            refusal("ticks.csv", "symbol,frame,open,high,low,clse,volume\n"),
            "ticks.csv: no column for \"close\": the header has symbol, frame, open, high, low, clse, volume; \
             if \"clse\" is it, say --map close=clse"
        );
        assert_eq!(
            refusal("ticks.csv", "symbol,date,time,open,high,low,close,volume\n"),
            "ticks.csv: columns date and time all match frame: choose one with a column map, such as frame=date"
        );
        assert_eq!(refusal("ticks.csv", ""), "ticks.csv: the input is empty");
        assert_eq!(refusal("ticks.csv", "\r\n\n"), "ticks.csv: the input is empty");
        assert_eq!(refusal("ticks.csv.gz", gzip("")), "ticks.csv.gz: the input is empty");
        assert_eq!(refusal("ticks.csv", "\x01\0\x02\n"), "ticks.csv: not CSV: the first line has zero bytes");
        let endless = vec![b'x'; crate::publish::lines::MAX_LINE_BYTES + 1];
        assert_eq!(refusal("ticks.csv", endless), "ticks.csv: not CSV: the first line does not end");
        assert_eq!(
            refusal("ticks.csv", "symbol,\"frame\n"),
            "ticks.csv: a quoted field of the header does not end on its line"
        );
        let nasty = refusal("ticks.csv", format!("\u{1b}[2J{}\n", "x".repeat(5000)));
        assert!(nasty.len() < 500 && !nasty.contains('\u{1b}'), "{nasty}");
    }

    #[test]
    fn a_header_alone_is_no_rows() {
        let found = read("a.csv", HEADER, &options()).unwrap();
        assert!(found.bars.is_empty() && found.rejects.is_empty() && found.error.is_none());
    }

    fn many(rows: usize) -> String {
        let row = |i: usize| format!("A,{},{i}.25,{i}.5,0,{i}.75,{i},,\n", FRAME_MS + i as i64 * 60_000);
        HEADER.to_owned() + &(0..rows).map(row).collect::<String>()
    }

    // A cut line may still look like a row: 123 of 12345. It must not become a bar.
    #[test]
    fn a_truncated_gzip_gives_what_came_before_and_says_so() {
        let whole = gzip(many(20_000));
        let (directory, path) = super::super::testing::file("a.csv.gz", &whole[..whole.len() / 2]);
        let found = read_path(&path, &options()).unwrap();
        assert!(found.bars.len() > 1000, "{} bars", found.bars.len());
        for (i, bar) in found.bars.iter().enumerate() {
            let n = i as f64;
            assert_eq!(bar.2, [n + 0.25, n + 0.5, 0.0, n + 0.75, n]);
        }
        let lines = found.bars.len() + 1 + found.rejects.len();
        assert_eq!(
            plain(directory.path(), &found.error.unwrap()),
            format!("a.csv.gz: the gzip data ends too early, at line {lines}: the file has been cut off")
        );
        for reject in &found.rejects {
            assert_eq!(reject.reason, "the input breaks off in the middle of this line");
        }
    }

    #[test]
    fn a_damaged_gzip_gives_what_came_before_and_says_so() {
        let mut whole = gzip(many(20_000));
        let crc = whole.len() - 8;
        whole[crc] ^= 1;
        let found = read("a.csv.gz", &whole, &options()).unwrap();
        assert_eq!(found.bars.len(), 20_000);
        let message = found.error.unwrap().to_string();
        assert!(message.contains("reading stopped at line 20001: "), "{message}");
    }

    #[test]
    fn gzip_members_follow_each_other() {
        let text = many(10);
        let (first, second) = text.split_at(text.len() / 2);
        let found = read("a.csv.gz", [gzip(first), gzip(""), gzip(second), gzip("")].concat(), &options()).unwrap();
        assert_eq!(found.bars.len(), 10);
        assert!(found.error.is_none());
    }
}
