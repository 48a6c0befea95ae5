//! `barbus withdraw`: withdraws bars of closed trading days.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use barbus::protocol::Withdrawal;
use barbus::{Bus, Date, Selection};
use barbus_files::{Progress, Reading, expand_inputs};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::shared::bus_time;
use super::shared::daemon_flags::TimeLimit;
use super::shared::file_flags::FormFlags;
use super::shared::stdout::stdout;
use crate::output::format;

/// Withdraw bars of closed trading days, so that right ones can be published.
///
/// The file of each day is kept as it was in archive/withdrawn/. If a day of the future is
/// withdrawn that has closed today, today is opened again.
#[derive(Debug, Args)]
pub(super) struct WithdrawArgs {
    /// The bus; its daemon must be running.
    bus: PathBuf,
    /// Only bars of this trading day, such as 2027-11-29.
    #[arg(long)]
    day: Option<Date>,
    /// Only bars of this symbol; may be given several times.
    #[arg(long)]
    symbol: Vec<String>,
    /// Only bars that end at this time or later, such as "2026-11-27 09:31" in the zone of the bus,
    /// or with an offset.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only bars that end at this time or earlier.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only the bars of this file, understood as by `publish` with the same flags; may be given
    /// several times.
    #[arg(long, value_name = "FILE")]
    source: Vec<String>,
    #[command(flatten)]
    understood_as: FormFlags,
    #[command(flatten)]
    limit: TimeLimit,
}

impl WithdrawArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let zone = TimeZone::get(bus.settings().schema.zone())?;
        let time =
            |flag: &str, text: &Option<String>| text.as_ref().map(|text| bus_time::time(flag, text, &zone)).transpose();
        let (from, to) = (time("--from", &self.from)?, time("--to", &self.to)?);
        if self.day.is_none() && self.symbol.is_empty() && from.is_none() && to.is_none() && self.source.is_empty() {
            bail!("withdraw: nothing is selected: give --day, --symbol, --source, --from or --to");
        }
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            bail!("withdraw: --from is later than --to: exchange them");
        }
        let mut sources = match self.source.is_empty() {
            true => None,
            false => Some(bars_of_files(&bus, &self.source, self.understood_as, &self.symbol)?),
        };
        let days = match (self.day, &sources) {
            (Some(day), _) => vec![day],
            (None, Some(sources)) => sources.keys().copied().collect(),
            (None, None) => days(&bus, from, to)?,
        };
        let (mut bars, mut open) = (0, None);
        // The latest first: a day of the future keeps those before it closed.
        for &day in days.iter().rev() {
            let of_files = match &mut sources {
                None => Rows::new(),
                Some(sources) => {
                    sources.remove(&day).with_context(|| format!("{day}: no file has a bar of that day"))?
                }
            };
            let selection = Selection { day, symbols: self.symbol.clone(), from, to, bars: of_files };
            let withdrawal = barbus::request_withdraw_within(&bus, &selection, self.limit.timeout)?;
            print_day(day, &withdrawal)?;
            bars += withdrawal.withdrawn;
            open = Some(withdrawal.open);
        }
        let mut out = stdout();
        if days.len() != 1 {
            writeln!(out, "{} bars of {} days withdrawn", format::count(bars), days.len())?;
        }
        match open.flatten() {
            Some(day) => writeln!(out, "the open day is {day}")?,
            None => writeln!(out, "no day is open")?,
        }
        Ok(out.flush()?)
    }
}

/// The bars of each symbol, as [`Selection::bars`] has them.
type Rows = BTreeMap<String, Vec<(i64, i64)>>;

/// The bars of `files`, by trading day.
fn bars_of_files(
    bus: &Bus,
    files: &[String],
    flags: FormFlags,
    symbols: &[String],
) -> anyhow::Result<BTreeMap<Date, Rows>> {
    let settings = bus.settings();
    let zone = TimeZone::get(settings.schema.zone()).ok();
    let symbol = if let [symbol] = symbols { Some(symbol.clone()) } else { None };
    let opener = flags.opener(symbol, settings.schema.clone(), settings.label, zone, false)?;
    let mut reading = Reading::of(expand_inputs(files), &opener, &Progress::default())?;
    if let Some(failure) = reading.failures.first() {
        bail!("{failure}");
    }
    ensure!(reading.rows() > 0, "withdraw: --source has no bar that can be read");
    let mut days: BTreeMap<Date, Rows> = BTreeMap::new();
    let mut span = settings.calendar.trading_day(0);
    while let Some(batch) = reading.bars.next_batch()? {
        let symbols = batch.column(0).as_dictionary::<Int32Type>();
        let names = symbols.values().as_string::<i32>();
        let frames = batch.column(1).as_primitive::<TimestampMillisecondType>();
        for (key, &frame_ms) in symbols.keys().values().iter().zip(frames.values()) {
            if !span.contains(frame_ms) {
                span = settings.calendar.trading_day(frame_ms);
            }
            let rows = days.entry(span.date).or_default();
            let name = names.value(*key as usize);
            let rows = match rows.get_mut(name) {
                Some(rows) => rows,
                None => rows.entry(name.to_owned()).or_default(),
            };
            match rows.last_mut() {
                Some((_, last)) if (*last..=*last + opener.options().interval_ms).contains(&frame_ms) => {
                    *last = frame_ms
                }
                _ => rows.push((frame_ms, frame_ms)),
            }
        }
    }
    Ok(days)
}

/// The archived days that may have bars with an end from `from` to `to`.
fn days(bus: &Bus, from: Option<Timestamp>, to: Option<Timestamp>) -> anyhow::Result<Vec<Date>> {
    let calendar = &bus.settings().calendar;
    let day_of = |time: Timestamp| calendar.trading_day(time.as_millisecond()).date;
    let (first, last) = (from.map(day_of), to.map(day_of));
    let mut days = bus.archived_days()?;
    days.retain(|&day| first.is_none_or(|first| day >= first) && last.is_none_or(|last| day <= last));
    Ok(days)
}

fn print_day(day: Date, withdrawal: &Withdrawal) -> anyhow::Result<()> {
    let count = withdrawal.withdrawn;
    if let Some(file) = &withdrawal.file {
        let bars = if count == 1 { "bar" } else { "bars" };
        writeln!(stdout(), "{} {bars} of {day} withdrawn; the file of before is {file}", format::count(count))?;
    } else {
        writeln!(stdout(), "0 bars of {day} withdrawn")?;
    }
    Ok(())
}
