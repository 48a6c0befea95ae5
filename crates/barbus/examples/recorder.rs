//! A recorder: appends each bar of the bus to a CSV file, in the order of the bus, and continues
//! where it stopped.
//!
//! ```text
//! cargo run -p barbus --example recorder -- BUS FILE.csv
//! ```
//! It continues after the `seq` of the file's last complete line. It prints the exact number of
//! bars that left the ring meanwhile; closed days are in the archive. It ends when a day closes.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use barbus::{Date, Event, Reader, Start};

/// The result of a recording.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Recorded {
    /// Bars written.
    pub(crate) bars: u64,
    /// Bars that had left the ring.
    pub(crate) missed: u64,
    /// The day whose close ended the recording.
    pub(crate) closed: Option<Date>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bus, file] = arguments.as_slice() else { return Err("usage: recorder BUS FILE.csv".into()) };
    let mut reader = open(bus.as_ref(), file.as_ref())?;
    let recorded = record(&mut reader, file.as_ref(), Duration::MAX)?;
    println!("{} bars written, {} missed", recorded.bars, recorded.missed);
    Ok(())
}

/// A reader after the last complete line of `file`, or at the oldest bar if there is no file. An
/// incomplete line is removed.
pub(crate) fn open(bus: &Path, file: &Path) -> Result<Reader, Box<dyn Error>> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(file)?;
    let (mut whole, mut next) = (0, None);
    let mut lines = BufReader::new(&file);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
        whole += line.len() as u64;
        if let Ok(seq) = line.split(',').next().unwrap_or_default().parse::<u64>() {
            next = Some(seq + 1);
        }
        line.clear();
    }
    file.set_len(whole)?;
    let reader = Reader::open(bus)?.start_at(next.map_or(Start::Oldest, Start::Seq))?;
    if whole == 0 {
        file.seek(SeekFrom::Start(0))?;
        let optional = reader.bus().settings().schema.optional().iter().map(|name| format!(",{name}"));
        let optional: String = optional.collect();
        writeln!(file, "seq,symbol,frame_ms,open,high,low,close,volume{optional},received_ns,revision")?;
    }
    Ok(reader)
}

/// Appends bars to `file` until a day closes, or until no bar has arrived for `patience`.
pub(crate) fn record(reader: &mut Reader, file: &Path, patience: Duration) -> Result<Recorded, Box<dyn Error>> {
    let optional = reader.bus().settings().schema.optional().len();
    let mut out = BufWriter::new(File::options().append(true).open(file)?);
    let mut recorded = Recorded::default();
    while let Some(event) = reader.next(patience)? {
        match event {
            Event::Bars(bars) => {
                for bar in bars {
                    let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close];
                    write!(
                        out,
                        "{},{},{},{open},{high},{low},{close},{}",
                        bar.seq, bar.symbol, bar.frame_ms, bar.volume
                    )?;
                    for k in 0..optional {
                        write!(out, ",{}", bar.optional(k).map_or(String::new(), |value| value.to_string()))?;
                    }
                    writeln!(out, ",{},{}", bar.received_ns, bar.revision)?;
                }
                recorded.bars += bars.len() as u64;
                // The next run continues after the last line in the file.
                out.flush()?;
            }
            Event::Withdrawn(selection) => println!("bars of {} were withdrawn", selection.day),
            Event::MinuteClosed(_) => {}
            Event::Lapped { missed } => {
                eprintln!("{missed} bars missed: they have left the ring");
                recorded.missed += missed;
            }
            Event::DayClosed(day) => {
                recorded.closed = Some(day);
                break;
            }
        }
    }
    Ok(recorded)
}
