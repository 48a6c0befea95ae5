//! `barbus bars`: prints live and archived bars as one sequence.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use barbus::{Adjust, Bus, Interval, Shortfall};
use clap::Args;
use jiff::tz::TimeZone;

use super::shared::answer_writer::{AnswerFormat, AnswerWriter};
use super::shared::bus_time::bound;

/// Print bars, live and archived ones as one sequence, each once and in its last revision.
///
/// Bars come by trading day, and within a day by symbol and time. What was asked for and is not
/// there is said on standard error.
#[derive(Debug, Args)]
pub(super) struct BarsArgs {
    /// The bus; no daemon needs to run.
    bus: PathBuf,
    /// Only these symbols; all by default.
    #[arg(value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// The first trading day, or the first end of a bar, such as "2026-11-27 09:31".
    #[arg(long, value_name = "DAY|TIME")]
    from: Option<String>,
    /// The last trading day, or the last end of a bar.
    #[arg(long, value_name = "DAY|TIME")]
    to: Option<String>,
    /// Only the last N bars of each symbol.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    last: Option<u32>,
    /// The length of the bars: 1m to 240m, 1h to 4h, 1d, 1w or 1M; aligned to the sessions.
    #[arg(long, value_name = "INTERVAL", default_value = "1m")]
    interval: Interval,
    /// Adjust prices and volume by the column factor: forward, backward or none.
    #[arg(long, value_name = "HOW", default_value = "none")]
    adjust: Adjust,
    /// Only these columns after symbol and frame, separated by commas.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    columns: Vec<String>,
    /// Go on without days whose files are damaged, and say so.
    #[arg(long)]
    skip_damaged: bool,
    /// Format of the bars; by default that of FILE's ending, or a table.
    #[arg(long, value_enum)]
    format: Option<AnswerFormat>,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl BarsArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let format = self.format()?;
        let zone = TimeZone::get(bus.settings().schema.zone())?;
        let mut query = bus.bars().interval(self.interval).adjust(self.adjust);
        if !self.symbols.is_empty() {
            query = query.symbols(self.symbols);
        }
        if let Some(from) = &self.from {
            query = query.from(bound("--from", from, &zone)?);
        }
        if let Some(to) = &self.to {
            query = query.to(bound("--to", to, &zone)?);
        }
        if let Some(last) = self.last {
            query = query.last(last as usize);
        }
        if !self.columns.is_empty() {
            query = query.columns(self.columns);
        }
        if self.skip_damaged {
            query = query.skip_damaged();
        }
        let file = self.output.as_deref().map(Temporary::beside).transpose()?;
        let target = file.as_ref().map(Temporary::handle).transpose()?;
        let shortfalls = if format == AnswerFormat::Arrow {
            // An Arrow file has one dictionary, which is known at the end.
            let answer = query.collect()?;
            let mut writer = AnswerWriter::new(format, target, answer.schema(), zone)?;
            answer.batches().iter().try_for_each(|batch| writer.write(batch))?;
            writer.finish()?;
            answer.shortfalls().to_vec()
        } else {
            let mut history = query.open()?;
            let mut writer = AnswerWriter::new(format, target, history.schema(), zone)?;
            for batch in &mut history {
                writer.write(&batch?)?;
            }
            writer.finish()?;
            history.shortfalls().to_vec()
        };
        if let Some(file) = file {
            file.persist()?;
        }
        print_shortfalls(&shortfalls);
        Ok(())
    }

    fn format(&self) -> anyhow::Result<AnswerFormat> {
        let of_file = self.output.as_deref().map(|path| (path, AnswerFormat::of_file(path)));
        let format = match (self.format, of_file) {
            (Some(format), _) | (None, Some((_, Some(format)))) => format,
            (None, None) => AnswerFormat::Table,
            (None, Some((path, None))) => bail!("{}: unknown ending: give --format", path.display()),
        };
        if format.is_binary() && self.output.is_none() && std::io::stdout().is_terminal() {
            bail!("standard output is a terminal: give -o FILE for this format");
        }
        Ok(format)
    }
}

/// Says on standard error what an answer does not have.
pub(super) fn print_shortfalls(shortfalls: &[Shortfall]) {
    /// Symbols that are named one by one.
    const NAMED: usize = 5;
    let is_of_symbol =
        |shortfall: &&Shortfall| matches!(shortfall, Shortfall::FewerBars { .. } | Shortfall::NotAdjusted { .. });
    let of_symbols = shortfalls.iter().filter(is_of_symbol).count();
    let mut named = 0;
    for shortfall in shortfalls {
        if is_of_symbol(&shortfall) {
            named += 1;
            if named > NAMED {
                continue;
            }
        }
        eprintln!("barbus: {shortfall}");
    }
    if of_symbols > NAMED {
        eprintln!("barbus: and {} more symbols likewise", of_symbols - NAMED);
    }
}

/// A file that gets its name only when it is whole.
struct Temporary<'a> {
    file: tempfile::NamedTempFile,
    path: &'a Path,
}

impl<'a> Temporary<'a> {
    fn beside(path: &'a Path) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder).with_context(|| path.display().to_string())?;
        Ok(Self { file, path })
    }

    fn handle(&self) -> anyhow::Result<std::fs::File> {
        Ok(self.file.as_file().try_clone()?)
    }

    fn persist(self) -> anyhow::Result<()> {
        // Temporary files are private; this one becomes a file like any other.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        self.file.as_file().set_permissions(mode)?;
        self.file.persist(self.path).map_err(|error| error.error).with_context(|| self.path.display().to_string())?;
        Ok(())
    }
}
