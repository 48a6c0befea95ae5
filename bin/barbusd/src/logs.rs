//! Configures the log: text or JSON lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::ingest::decoder;

/// The format of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines of text, in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Checks that the text of `--log-level` is a filter.
pub(crate) fn parse_filter(text: &str) -> Result<String, String> {
    filter_of(text).map(|_| text.to_owned())
}

/// The filter of a text such as `warn` or `info,barbusd=debug`; what it does not name is logged
/// from INFO on.
fn filter_of(text: &str) -> Result<Targets, String> {
    let filter: Targets = text.parse().map_err(|error: ParseError| error.to_string())?;
    Ok(match filter.default_level() {
        Some(_) => filter,
        None => filter.with_default(LevelFilter::INFO),
    })
}

/// Sends the log of this process to standard error, unless the process has a subscriber already.
pub(crate) fn init(format: LogFormat, level: Option<&str>) {
    let variable = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let usual = || Targets::new().with_default(LevelFilter::INFO);
    let (filter, wrong) = match level.or(variable.as_deref()).map(filter_of) {
        None => (usual(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (usual(), Some(error)),
    };
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filtered = tracing_subscriber::registry().with(filter);
    let _ = match format {
        LogFormat::Text => filtered.with(log.with_ansi(colour).with_target(false)).try_init(),
        LogFormat::Json => filtered.with(log.json().flatten_event(true)).try_init(),
    };
    if let Some(error) = wrong {
        tracing::warn!("RUST_LOG is not a filter: {error}: it is taken for info");
    }
    // The standard hook prints several lines of text, which are not a log of JSON lines.
    std::panic::set_hook(Box::new(|panic| {
        if decoder::is_decoding() {
            // The producer gets an error, and the log has that.
            tracing::debug!("{panic}");
        } else {
            tracing::error!("{panic}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::{filter_of, parse_filter};

    #[test]
    fn levels_and_filters_are_accepted_and_unknown_levels_are_not() {
        assert!(parse_filter("warn").is_ok());
        assert!(parse_filter("info,barbusd=debug").is_ok());
        assert!(parse_filter("barbusd=loud").is_err());
        let filter = filter_of("barbusd=debug").unwrap();
        assert!(filter.would_enable("barbusd::server", &Level::DEBUG) && filter.would_enable("other", &Level::INFO));
        assert!(!filter.would_enable("other", &Level::DEBUG));
    }
}
