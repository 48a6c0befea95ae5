//! `barbus withdraw`: withdraws bars of closed trading days.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use barbus::protocol::Withdrawal;
use barbus::{Bus, Date, Selection};
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

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
}

impl WithdrawArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let zone = TimeZone::get(bus.settings().schema.zone())?;
        let time = |flag: &str, text: &Option<String>| text.as_ref().map(|text| time(flag, text, &zone)).transpose();
        let (from, to) = (time("--from", &self.from)?, time("--to", &self.to)?);
        if self.day.is_none() && self.symbol.is_empty() && from.is_none() && to.is_none() {
            bail!("withdraw: nothing is selected: give --day, --symbol, --from or --to");
        }
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            bail!("withdraw: --from is later than --to: exchange them");
        }
        let days = match self.day {
            Some(day) => vec![day],
            None => days(&bus, from, to)?,
        };
        let (mut bars, mut open) = (0, None);
        // The latest first: a day of the future keeps those before it closed.
        for &day in days.iter().rev() {
            let selection = Selection { symbols: self.symbol.clone(), from, to, ..Selection::of_day(day) };
            let withdrawal = barbus::request_withdraw(&bus, &selection)?;
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

/// A time with an offset, or one in the zone of the bus.
fn time(flag: &str, text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil: civil::DateTime = match text.parse() {
        Ok(time) => time,
        Err(_) => bail!("withdraw: {flag}: {text:?} is not a time: give one such as \"2026-11-27 09:31\""),
    };
    match zone.to_ambiguous_zoned(civil).unambiguous() {
        Ok(time) => Ok(time.timestamp()),
        Err(_) => bail!("withdraw: {flag}: {text:?} is not one moment in the zone of the bus: add an offset"),
    }
}
