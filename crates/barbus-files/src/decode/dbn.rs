//! DBN, Databento's binary format: the OHLCV records, under the names of Databento's CSV.
//!
//! Symbols are those of the metadata, or of the mappings between the records of a live feed.
//! Without any there is no column of symbols.

use std::collections::VecDeque;
use std::io::{self, Read};

use barbus_bars::{Moment, ParsedTime};
use dbn::decode::{DbnDecoder, DbnMetadata};
use dbn::{OhlcvMsg, Record, TsSymbolMap, UNDEF_PRICE, VersionUpgradePolicy};

use super::guarded::guarded;
use crate::error::InputError;
use crate::records::{Records, Step};
use crate::sample::SAMPLE_ROWS;
use crate::values::cell::Cell;

/// The names of the columns; `symbol` is left out if no record has one.
const NAMES: [&str; 10] =
    ["ts_event", "rtype", "publisher_id", "instrument_id", "open", "high", "low", "close", "volume", "symbol"];
/// The bytes before the metadata: a mark, the version, and the length of the metadata.
const PRELUDE: usize = 8;
/// Most bytes of metadata: the decoder reserves what the prelude states.
const MAX_METADATA: u32 = 256 << 20;
const FORMAT: &str = "DBN";

/// Whether an input begins as DBN does.
pub(crate) fn is_dbn(head: &[u8]) -> bool {
    head.starts_with(b"DBN") && head.get(3).is_some_and(|version| (1..32).contains(version))
}

/// The bytes of an input, with the failure that the decoder would take for its end.
struct Source<R> {
    reader: R,
    bytes: u64,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Source<R> {
    /// Fills the buffer unless the input ends: the decoder of the metadata expects that.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && self.failure.is_none() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failure = Some(error),
            }
        }
        self.bytes += filled as u64;
        match &self.failure {
            Some(failure) if filled == 0 => Err(io::Error::other(failure.to_string())),
            _ => Ok(filled),
        }
    }
}

/// One OHLCV record.
#[derive(Debug, Clone)]
struct Row {
    ts_event: u64,
    rtype: u8,
    publisher: u16,
    instrument: u32,
    prices: [i64; 4],
    volume: u64,
    symbol: Option<String>,
}

/// The OHLCV records of a DBN input.
pub(crate) struct DbnRecords<R> {
    input: String,
    decoder: DbnDecoder<Source<R>>,
    symbols: TsSymbolMap,
    has_symbols: bool,
    /// Rows that were read for the sample, and the failure behind them.
    ahead: VecDeque<Row>,
    failure: Option<InputError>,
    row: Option<Row>,
    rows: u64,
    /// The bytes of the metadata and of all records so far.
    decoded: u64,
}

impl<R: Read + Send> DbnRecords<R> {
    /// The records of `reader`, which begins with `head`.
    pub(crate) fn open(input: &str, head: &[u8], reader: R) -> Result<DbnRecords<R>, InputError> {
        let length = head.get(4..PRELUDE).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let length = length.ok_or_else(|| InputError::format(input, "is DBN that ends in its metadata"))?;
        if length > MAX_METADATA {
            return Err(InputError::format(input, "is DBN whose metadata is too long: the file is damaged"));
        }
        let source = Source { reader, bytes: 0, failure: None };
        let decoder = caught(input, 0, || DbnDecoder::with_upgrade_policy(source, VersionUpgradePolicy::AsIs))?;
        let metadata = decoder.metadata();
        if let Some(schema) = metadata.schema.filter(|schema| !schema.as_str().starts_with("ohlcv")) {
            let reason = format!("is DBN of the schema {schema}, which has no bars: request the schema ohlcv-1m");
            return Err(InputError::format(input, &reason));
        }
        let symbols = caught(input, 0, || metadata.symbol_map()).unwrap_or_default();
        let mut records = DbnRecords {
            input: input.to_owned(),
            decoder,
            has_symbols: false,
            symbols,
            ahead: VecDeque::new(),
            failure: None,
            row: None,
            rows: 0,
            decoded: PRELUDE as u64 + u64::from(length),
        };
        while records.ahead.len() < SAMPLE_ROWS && records.failure.is_none() {
            match records.decode() {
                Ok(Some(row)) => records.ahead.push_back(row),
                Ok(None) => break,
                Err(error) => records.failure = Some(error),
            }
        }
        records.has_symbols = !records.symbols.is_empty();
        Ok(records)
    }

    /// The next OHLCV record; other records are passed over.
    fn decode(&mut self) -> Result<Option<Row>, InputError> {
        loop {
            let (decoder, symbols) = (&mut self.decoder, &mut self.symbols);
            let mut bytes = 0;
            let next = caught(&self.input, self.rows, || {
                let Some(record) = decoder.decode_ref()? else { return Ok(None) };
                bytes = record.record_size() as u64;
                symbols.on_record(record)?;
                Ok(Some(record.get::<OhlcvMsg>().map(|bar| Row {
                    ts_event: bar.hd.ts_event,
                    rtype: bar.hd.rtype,
                    publisher: bar.hd.publisher_id,
                    instrument: bar.hd.instrument_id,
                    prices: [bar.open, bar.high, bar.low, bar.close],
                    volume: bar.volume,
                    symbol: symbols.get_for_ts(bar.hd.ts_event, bar.hd.instrument_id).cloned(),
                })))
            });
            self.decoded += bytes;
            let place = format!("after row {}", self.rows);
            if let Some(failure) = self.decoder.get_mut().failure.take().filter(|_| !matches!(next, Ok(Some(_)))) {
                return Err(InputError::read(&self.input, &place, failure));
            }
            match next? {
                Some(Some(row)) => return Ok(Some(row)),
                Some(None) => {}
                None if self.decoder.get_mut().bytes > self.decoded => {
                    let error = dbn::Error::decode("the file ends in the middle of a record");
                    return Err(InputError::decode(&self.input, FORMAT, self.rows, &error));
                }
                None => return Ok(None),
            }
        }
    }

    /// The texts of the first rows.
    pub(crate) fn sample(&self) -> Vec<Vec<Option<String>>> {
        let text = |row: &Row, column: usize| match column {
            // With its zone, as pretty CSV has it.
            0 => jiff::Timestamp::from_nanosecond(row.ts_event.into()).ok().map(|at| at.to_string()),
            column => cell(row, column).text().map(|text| text.into_owned()),
        };
        let columns = 0..self.names().len();
        self.ahead.iter().map(|row| columns.clone().map(|column| text(row, column)).collect()).collect()
    }
}

/// The result of the decoder; its error or its panic is one of the input.
fn caught<T>(input: &str, rows: u64, decode: impl FnOnce() -> dbn::Result<T>) -> Result<T, InputError> {
    let decoded = guarded(|| decode().map_err(|error| arrow::error::ArrowError::ExternalError(Box::new(error))));
    decoded.map_err(|error| match error {
        arrow::error::ArrowError::ExternalError(error) => InputError::decode(input, FORMAT, rows, &*error),
        error => InputError::decode(input, FORMAT, rows, &error),
    })
}

fn cell(row: &Row, column: usize) -> Cell<'_> {
    match column {
        0 => {
            let sub_millisecond = !row.ts_event.is_multiple_of(1_000_000);
            match i64::try_from(row.ts_event / 1_000_000) {
                Ok(ms) => Cell::Time(ParsedTime { sub_millisecond, ..ParsedTime::exact(Moment::Instant(ms)) }),
                Err(_) => Cell::Missing,
            }
        }
        1 => Cell::Integer(row.rtype.into()),
        2 => Cell::Integer(row.publisher.into()),
        3 => Cell::Integer(row.instrument.into()),
        4..8 if row.prices[column - 4] == UNDEF_PRICE => Cell::Missing,
        4..8 => Cell::Integer(row.prices[column - 4]),
        8 => i64::try_from(row.volume).map_or(Cell::Missing, Cell::Integer),
        _ => row.symbol.as_deref().map_or(Cell::Missing, |symbol| Cell::Text(symbol.as_bytes().into())),
    }
}

impl<R: Read + Send> Records for DbnRecords<R> {
    fn advance(&mut self) -> Result<Step, InputError> {
        let next = match self.ahead.pop_front() {
            Some(row) => Some(row),
            None => match self.failure.take() {
                Some(failure) => return Err(failure),
                None => self.decode()?,
            },
        };
        self.rows += u64::from(next.is_some());
        self.row = next;
        Ok(if self.row.is_some() { Step::Record } else { Step::End })
    }

    fn names(&self) -> Vec<String> {
        let count = NAMES.len() - usize::from(!self.has_symbols);
        NAMES[..count].iter().map(|name| (*name).to_owned()).collect()
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        self.row.as_ref().map_or(Cell::Missing, |row| cell(row, column))
    }

    fn text(&self) -> String {
        let Some(row) = &self.row else { return String::new() };
        let texts = (1..self.names().len()).map(|column| cell(row, column).text().unwrap_or_default().into_owned());
        std::iter::once(row.ts_event.to_string()).chain(texts).collect::<Vec<_>>().join(",")
    }

    fn place(&self) -> String {
        format!("row {}", self.rows)
    }

    fn problem(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use dbn::encode::{DbnEncoder, EncodeRecord};
    use dbn::{MappingInterval, MetadataBuilder, RecordHeader, SType, Schema, SymbolMapping, WithTsOut, rtype};

    use super::*;
    use crate::testing::{Found, file, open_error, options, read, read_path};

    const START_NS: u64 = 1_709_562_600_000_000_000; // 2024-03-04 14:30 UTC

    fn dbn(mapped: bool, schema: Schema, bars: &[(u32, u64, [i64; 4])]) -> Vec<u8> {
        encoded(mapped, schema, bars, false)
    }

    /// With `ts_out`, each record has the time of its sending behind it.
    fn encoded(mapped: bool, schema: Schema, bars: &[(u32, u64, [i64; 4])], ts_out: bool) -> Vec<u8> {
        let day = |day| time::Date::from_calendar_date(2024, time::Month::March, day).unwrap();
        let interval = MappingInterval { start_date: day(4), end_date: day(5), symbol: "17".to_owned() };
        let mapping = SymbolMapping { raw_symbol: "AAA".to_owned(), intervals: vec![interval] };
        let metadata = MetadataBuilder::new()
            .dataset("XNAS.ITCH".to_owned())
            .schema(Some(schema))
            .start(START_NS)
            .end(NonZeroU64::new(START_NS + 86_400_000_000_000))
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .ts_out(ts_out)
            .mappings(if mapped { vec![mapping] } else { Vec::new() })
            .build();
        let mut bytes = Vec::new();
        let mut encoder = DbnEncoder::new(&mut bytes, &metadata).unwrap();
        for (instrument, minute, [open, high, low, close]) in bars {
            let kind = if schema == Schema::Ohlcv1H { rtype::OHLCV_1H } else { rtype::OHLCV_1M };
            let hd = RecordHeader::new::<OhlcvMsg>(kind, 2, *instrument, START_NS + minute * 60_000_000_000);
            let bar = OhlcvMsg { hd, open: *open, high: *high, low: *low, close: *close, volume: 100 };
            match ts_out {
                true => encoder.encode_record(&WithTsOut::new(bar, START_NS)).unwrap(),
                false => encoder.encode_record(&bar).unwrap(),
            }
        }
        bytes
    }

    const BARS: [(u32, u64, [i64; 4]); 2] = [
        (17, 0, [1_500_000_000, 1_750_000_000, 1_250_000_000, 1_625_000_000]),
        (17, 1, [1_500_000_000, 1_750_000_000, 1_250_000_000, UNDEF_PRICE]),
    ];

    fn first(found: &Found) -> (&str, i64, [f64; 5]) {
        let bar = &found.bars[0];
        (&bar.0, bar.1, bar.2)
    }

    /// As Databento's CSV: starts of bars, prices in units of 1e-9, symbols of the metadata.
    #[test]
    fn bars_are_read_with_the_symbols_of_the_metadata() {
        let bytes = dbn(true, Schema::Ohlcv1M, &BARS);
        let packed = zstd::encode_all(&bytes[..], 0).unwrap();
        for (name, bytes) in [("a.dbn", &bytes), ("a.dbn.zst", &packed)] {
            let found = read(name, bytes, &options()).unwrap();
            let expected = ("AAA", 1_709_562_660_000, [1.5, 1.75, 1.25, 1.625, 100.0]);
            assert_eq!(first(&found), expected, "{name}");
            assert_eq!((found.bars.len(), found.rejects.len()), (1, 1), "{name}: a price is undefined");
            assert!(found.error.is_none(), "{name}");
        }
        let unmapped = read("a.dbn", dbn(false, Schema::Ohlcv1M, &BARS), &options()).unwrap();
        assert_eq!(unmapped.bars[0].0, "17");
        let hours = read("a.dbn", dbn(true, Schema::Ohlcv1H, &BARS), &options()).unwrap();
        assert_eq!(hours.bars, []);
    }

    /// Promise 9: damage is an error, and rows before it are delivered.
    #[test]
    fn damage_is_an_error() {
        for (ts_out, record) in [(true, 64), (false, 56)] {
            let bytes = encoded(true, Schema::Ohlcv1M, &BARS, ts_out);
            for cut in 1..=bytes.len() {
                let (_directory, path) = file("a.dbn", &bytes[..cut]);
                match read_path(&path, &options()) {
                    Err(error) => assert!(error.to_string().contains("a.dbn: "), "{error}"),
                    Ok(found) => {
                        let whole = (bytes.len() - cut).is_multiple_of(record);
                        assert_eq!(found.error.is_none(), whole, "{cut} of {}: {:?}", bytes.len(), found.error);
                    }
                }
            }
            let whole = read("a.dbn", &bytes, &options()).unwrap();
            assert_eq!((whole.bars.len(), whole.rejects.len()), (1, 1));
        }
        let bytes = dbn(true, Schema::Ohlcv1M, &BARS);
        let mut long = bytes.clone();
        long[4..8].fill(0xff);
        assert!(open_error("a.dbn", &long).contains("metadata is too long"));
        let trades = dbn(true, Schema::Trades, &[]);
        assert_eq!(
            open_error("a.dbn", &trades),
            "a.dbn: is DBN of the schema trades, which has no bars: request the schema ohlcv-1m"
        );
    }
}
