//! Configures the log: text or JSON lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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
    EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Sends the log of this process to standard error, unless the process has a subscriber already.
pub(crate) fn init(format: LogFormat, level: Option<&str>) {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let filter = match level {
        Some(level) => builder.parse_lossy(level),
        None => builder.from_env_lossy(),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let _ = match format {
        LogFormat::Text => log.with_ansi(colour).with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
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
    use super::parse_filter;

    #[test]
    fn levels_and_filters_are_accepted_and_unknown_levels_are_not() {
        assert!(parse_filter("warn").is_ok());
        assert!(parse_filter("info,barbusd=debug").is_ok());
        assert!(parse_filter("barbusd=loud").is_err());
    }
}
