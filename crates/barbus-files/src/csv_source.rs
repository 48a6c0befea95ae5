//! The rows of a CSV text, whose segments are read on all processors.
//!
//! Threads read segments independently; the calling thread appends what they give in the order of
//! the text. The text is cut at the same places whatever the number of threads, so the result is
//! the same too.

use std::io::{self, BufRead, Chain, Read};
use std::num::NonZero;
use std::sync::Arc;

use crate::bind::binder::{Binder, Part};
use crate::bind::plain::PlainLine;
use crate::bind::plan::Plan;
use crate::bound_source::{reject, take};
use crate::decode::csv::{Csv, CsvForm};
use crate::decode::segments::{Cut, Segment, SegmentReader, Segments};
use crate::decode::text_index::index_of;
use crate::error::InputError;
use crate::options::InputOptions;
use crate::records::{Records, Step};
use crate::rows::Rows;
use crate::source::{BATCH_ROWS, ParsedRows, RowSource};
use crate::understood::Understood;
use crate::workers::Workers;

/// Most threads: the calling thread appends about as fast as this number of threads reads.
const MAX_THREADS: usize = 8;
/// Most symbols that are kept in spare memory.
const MAX_SPARE_SYMBOLS: usize = 16 * 1024;

type Reader = Box<dyn BufRead + Send>;

/// The rows of a CSV text.
pub(crate) struct CsvSource {
    input: String,
    form: Arc<CsvForm>,
    options: Arc<InputOptions>,
    plan: Plan,
    understood: Understood,
    /// The text that was not given to be read; `None` behind its last segment.
    segments: Option<Segments<Reader>>,
    /// The threads that read; none before the second segment.
    workers: Option<Workers<Work, Done>>,
    /// Reads on the calling thread.
    own: Option<PartReader>,
    /// The end of a text that has no place for a cut.
    rest: Option<Csv<Chain<SegmentReader, Reader>>>,
    /// Appends the parts.
    binder: Binder,
    /// Memory for the next segments.
    spare: Vec<Work>,
    ended: bool,
}

/// A segment, and rows without bars to which its bars are appended.
struct Work {
    segment: Segment,
    bars: Rows,
}

/// What a segment gives.
struct Done {
    part: Part,
    /// Why reading failed behind it.
    failure: Option<InputError>,
    segment: Segment,
}

impl CsvSource {
    /// The rows of `segments`, bound by `plan`.
    pub(crate) fn new(
        segments: Segments<Reader>,
        form: CsvForm,
        plan: Plan,
        options: &Arc<InputOptions>,
        understood: Understood,
    ) -> CsvSource {
        CsvSource {
            input: understood.input.clone(),
            segments: Some(segments),
            form: Arc::new(form),
            binder: Binder::new(plan.clone(), &options.schema, options.ambiguous),
            options: options.clone(),
            plan,
            understood,
            workers: None,
            own: None,
            rest: None,
            spare: Vec::new(),
            ended: false,
        }
    }

    fn part_reader(&self) -> PartReader {
        PartReader {
            records: Csv::new(&self.input, SegmentReader::default(), self.form.clone()),
            binder: Binder::of_parts(self.plan.clone(), &self.options.schema, self.options.ambiguous),
            input: self.input.clone(),
            index: Vec::new(),
            indexed: 0,
        }
    }

    /// Starts the threads, if several are to read.
    fn start(&mut self) {
        let processors = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.options.threads.map_or_else(processors, NonZero::get).min(MAX_THREADS);
        if threads > 1 {
            let worker = || {
                let mut reader = self.part_reader();
                move |work| reader.read(work)
            };
            self.workers = Workers::start(threads, worker);
        }
    }

    /// What the next segment gives; `None` behind the last one.
    fn next_part(&mut self) -> Result<Option<Done>, InputError> {
        while let Some(segments) = &mut self.segments
            && self.workers.as_ref().is_none_or(|workers| workers.pending() <= 2 * workers.threads())
        {
            let new = || Work { segment: Segment::default(), bars: Rows::new(&self.options.schema) };
            let Work { segment, bars } = self.spare.pop().unwrap_or_else(new);
            let segment = match segments.next(segment.text) {
                Cut::Segment(segment) => {
                    if segment.lines_before == 0 {
                        self.start();
                    }
                    segment
                }
                Cut::Last(segment) => {
                    self.segments = None;
                    segment
                }
                Cut::Uncut(segment) => {
                    let lines = segment.lines_before;
                    if let Some(segments) = self.segments.take() {
                        let reader = SegmentReader::new(segment).chain(segments.into_reader());
                        self.rest = Some(Csv::behind(lines, &self.input, reader, self.form.clone()));
                    }
                    break;
                }
            };
            let work = Work { segment, bars };
            match &mut self.workers {
                Some(workers) => workers.give(work),
                None => {
                    let mut reader = self.own.take().unwrap_or_else(|| self.part_reader());
                    let done = reader.read(work);
                    self.own = Some(reader);
                    return Ok(Some(done));
                }
            }
        }
        let Some(workers) = self.workers.as_mut().filter(|workers| workers.pending() > 0) else { return Ok(None) };
        let panicked = || io::Error::other("a thread that reads it has panicked");
        workers.take().map(Some).ok_or_else(|| InputError::read(&self.input, "in its middle", panicked()))
    }

    fn read_on(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError> {
        if let Some(Done { part, failure, segment }) = self.next_part()? {
            let mut bars = self.binder.append(part, parsed);
            if bars.symbols().len() > MAX_SPARE_SYMBOLS {
                bars = Rows::new(&self.options.schema);
            }
            bars.clear();
            self.spare.push(Work { segment, bars });
            return failure.map_or(Ok(true), Err);
        }
        let Some(rest) = &mut self.rest else { return Ok(false) };
        for _ in 0..BATCH_ROWS {
            if !read_record(&self.input, rest, &mut self.binder, parsed)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl RowSource for CsvSource {
    fn read(&mut self, parsed: &mut ParsedRows) -> Result<bool, InputError> {
        if self.ended {
            return Ok(false);
        }
        let read = self.read_on(parsed);
        self.ended = !matches!(read, Ok(true));
        self.binder.settle(self.ended, parsed);
        read
    }

    fn understood(&self) -> Vec<Understood> {
        vec![self.understood.clone()]
    }
}

/// Reads segments, each independently of the others.
struct PartReader {
    input: String,
    records: Csv<SegmentReader>,
    binder: Binder,
    /// Where fields of the segment end, and the first of the places that were not read.
    index: Vec<u32>,
    indexed: usize,
}

impl PartReader {
    fn read(&mut self, Work { segment, bars }: Work) -> Done {
        index_of(&segment.text, self.records.shape().0, &mut self.index);
        self.indexed = 0;
        self.records.go_on(segment.lines_before, SegmentReader::new(segment));
        let mut parsed = ParsedRows::of(bars);
        let failure = loop {
            self.read_plain(&mut parsed.bars);
            match read_record(&self.input, &mut self.records, &mut self.binder, &mut parsed) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            }
        };
        let segment = self.records.go_on(0, SegmentReader::default()).into_segment();
        Done { part: self.binder.take_part(parsed), failure, segment }
    }

    /// Reads plain rows as far as there are any.
    fn read_plain(&mut self, rows: &mut Rows) {
        let (delimiter, width) = self.records.shape();
        let Some((text, first)) = self.records.unread() else { return };
        self.indexed += self.index[self.indexed..].iter().take_while(|place| (**place as usize) < first).count();
        let (mut start, mut lines) = (first, 0);
        for ends in self.index[self.indexed..].chunks_exact(width.max(1)) {
            let Some((last, others)) = ends.split_last() else { break };
            let is_row = text[*last as usize] == b'\n' && others.iter().all(|end| text[*end as usize] == delimiter);
            if !is_row || self.binder.push_plain(PlainLine::new(text, start, ends), rows).is_none() {
                break;
            }
            start = *last as usize + 1;
            lines += 1;
        }
        self.records.skip(lines, start - first);
    }
}

/// Reads the next record; `false` if there is none.
fn read_record<R: BufRead + Send>(
    input: &str,
    records: &mut Csv<R>,
    binder: &mut Binder,
    parsed: &mut ParsedRows,
) -> Result<bool, InputError> {
    match records.advance()? {
        Step::End => return Ok(false),
        Step::Bad => reject(input, records, records.problem(), parsed),
        // The names of a text are those of its header.
        Step::Record | Step::NewNames => take(input, records, binder, parsed),
    }
    Ok(true)
}
