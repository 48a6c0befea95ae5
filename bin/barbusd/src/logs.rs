//! The log: lines for people or JSON on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people, in colour on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Accepts what can be a filter.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Sends the log of this process to standard error. Where somebody has done so before, his way stays.
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
    // A panic is an event like others: its text must not break a log of JSON lines.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn levels_and_filters_are_known_and_nonsense_is_not() {
        assert!(filter("warn").is_ok());
        assert!(filter("info,barbusd=debug").is_ok());
        assert!(filter("barbusd=loud").is_err());
    }
}
