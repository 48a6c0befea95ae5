//! `barbus top`: the state of a bus on one screen, renewed as it changes.
//!
//! Threads fill the [`model`]: one follows the bars of the newest day into the [`market`] (a
//! `watched` entry for each symbol, the `day_progress`, the `rate`), one reads the `files`, one
//! asks the `daemon`, one looks up the `closes` before the day. A disk that hangs or a daemon that
//! is stopped delays its own thread only. [`draw`] makes a screen of the model, its [`status`] and
//! the [`view`], which keys change. [`screen`] runs that on a [`terminal`], and [`once`] prints it.

mod bars;
mod closes;
mod daemon;
mod day_progress;
mod draw;
mod files;
mod market;
mod model;
mod once;
mod rate;
mod screen;
mod status;
mod terminal;
mod view;
mod watched;
mod worker;
mod workers;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use barbus::Bus;
use clap::Args;

use self::draw::Theme;
use self::model::BusFacts;
use self::once::ScreenSize;
use self::workers::Workers;
use crate::output::colour_wanted;

/// Show the state of the bus on one screen, renewed as it changes.
///
/// The day by session, the rate, symbols with last price, change, volume and age, readers with
/// their lag, producers, ring, archive, quarantine, and what needs attention. Press ? for the keys.
/// It reads files only: it costs the daemon nothing, and works beside one that is stopped or dead.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    /// The bus.
    bus: PathBuf,
    /// How often the screen is renewed, seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_interval)]
    interval: Duration,
    /// Print one screen and exit. So does a standard output that is no terminal.
    #[arg(long)]
    once: bool,
    /// The size of that screen; by default that of the terminal, or 120x40.
    #[arg(long, value_name = "COLUMNSxROWS")]
    size: Option<ScreenSize>,
    /// Use no colour. So does the environment variable NO_COLOR.
    #[arg(long)]
    no_color: bool,
}

impl TopArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let bus = Bus::open(&self.bus)?;
        let facts = BusFacts::of(&bus);
        let theme = Theme::new(colour_wanted() && !self.no_color, facts.rises_are_red);
        let workers = Workers::start(&bus, self.interval)?;
        if self.once || self.size.is_some() || !std::io::stdout().is_terminal() {
            return once::print(&facts, &workers, theme, self.size);
        }
        screen::run(&facts, &workers, theme, self.interval)
    }
}

/// An interval in seconds. Shorter ones would cost more than an eye can see.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds, such as 1 or 0.5".to_owned())?;
    match (0.5..=3600.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err("give 0.5 to 3600 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_seconds() {
        assert_eq!(parse_interval("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_interval("3600"), Ok(Duration::from_secs(3600)));
        for wrong in ["0", "0.1", "-1", "4000", "NaN", "1s", ""] {
            parse_interval(wrong).unwrap_err();
        }
    }
}
