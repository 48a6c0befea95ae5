//! The command line of the relay.

use std::path::PathBuf;
use std::time::Duration;

use barbus::Date;
use bytesize::ByteSize;
use clap::{Args, ValueEnum};

/// The bus, the server and the stream.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The bus.
    #[arg(value_name = "BUS")]
    pub(crate) bus: PathBuf,
    /// The NATS servers, comma separated: nats://HOST:4222 or tls://HOST:4222.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: String,
    /// The JetStream stream.
    #[arg(long, value_name = "NAME", value_parser = parse_stream)]
    pub(crate) stream: String,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// How the server knows the relay, and the relay the server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Access {
    /// A credentials file of NATS, with JWT and key.
    #[arg(long, value_name = "FILE", group = "who")]
    pub(crate) creds: Option<PathBuf>,
    /// A file with the seed of an nkey.
    #[arg(long, value_name = "FILE", group = "who")]
    pub(crate) nkey: Option<PathBuf>,
    /// A file with one line, USER:PASSWORD.
    #[arg(long, value_name = "FILE", group = "who")]
    pub(crate) user_file: Option<PathBuf>,
    /// Use TLS, and trust the certificate authorities of this PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
}

/// Publish the bars of a bus to a stream of NATS JetStream.
///
/// It makes the stream if there is none, and goes on where the stream ends. What the ring has lost
/// meanwhile it takes from the archive.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The first part of the subjects; without it, barbus. and the name of the bus's directory.
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    pub(crate) prefix: Option<String>,
    /// One subject for all bars (single), one for each symbol (symbol), or a number (shards=N).
    #[arg(long, value_name = "HOW", default_value = "single", value_parser = parse_subjects)]
    pub(crate) subjects: Subjects,
    /// How long a message waits for more bars.
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = parse_duration)]
    pub(crate) linger: Duration,
    /// Most bars of a message.
    #[arg(long, value_name = "ROWS", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub(crate) batch_rows: u32,
    /// Replicas of the stream in the cluster.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub(crate) replicas: Option<u8>,
    /// What the stream keeps: an age such as 7d, or a size such as 50GB. A new stream keeps 7d.
    #[arg(long, value_name = "AGE|SIZE", value_parser = parse_keep)]
    pub(crate) keep: Option<Keep>,
    /// Where a stream without a message of this bus begins: live, today, all, or a trading day.
    #[arg(long, value_name = "WHERE", default_value = "today", value_parser = parse_begin)]
    pub(crate) start: Begin,
}

/// Publish the bars of a stream of NATS JetStream to a bus, through its daemon.
#[derive(Debug, Clone, Args)]
pub(crate) struct InArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The first part of the subjects of the bus on the stream.
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix, conflicts_with = "from_bus")]
    pub(crate) prefix: Option<String>,
    /// The bus on the stream, if it has several: as --prefix barbus.NAME.
    #[arg(long = "bus", value_name = "NAME", value_parser = parse_prefix)]
    pub(crate) from_bus: Option<String>,
    /// The name of the durable consumer; each bus needs its own.
    #[arg(long, value_name = "NAME", value_parser = parse_stream)]
    pub(crate) name: Option<String>,
}

/// Print what the relays of a bus have done.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// The bus.
    #[arg(value_name = "BUS")]
    pub(crate) bus: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How the bars are spread over subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// One subject.
    Single,
    /// One for each symbol.
    Symbol,
    /// This number, by a hash of the symbol.
    Shards(u32),
}

/// How much a stream keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Messages up to this age.
    Age(Duration),
    /// This number of bytes.
    Bytes(u64),
}

/// Where a new stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// At the next bar.
    Live,
    /// At the first bar of the newest trading day.
    Today,
    /// At the first bar of this trading day.
    Day(Date),
    /// At the oldest bar of the archive.
    All,
}

/// The names of the days in [`Begin`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum BeginName {
    Live,
    Today,
    All,
}

fn parse_begin(text: &str) -> Result<Begin, String> {
    match BeginName::from_str(text, false) {
        Ok(BeginName::Live) => Ok(Begin::Live),
        Ok(BeginName::Today) => Ok(Begin::Today),
        Ok(BeginName::All) => Ok(Begin::All),
        Err(_) => {
            text.parse().map(Begin::Day).map_err(|_| "give live, today, all, or a date such as 2024-07-04".into())
        }
    }
}

fn parse_subjects(text: &str) -> Result<Subjects, String> {
    let wrong = || "give single, symbol, or shards=N with N from 1 to 1024".to_owned();
    match text {
        "single" => Ok(Subjects::Single),
        "symbol" => Ok(Subjects::Symbol),
        _ => {
            let count = text.strip_prefix("shards=").ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
            if (1..=1024).contains(&count) { Ok(Subjects::Shards(count)) } else { Err(wrong()) }
        }
    }
}

/// A duration as a number with ms, s, m, h, d or w.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a number with ms, s, m, h, d or w, such as 5ms or 7d".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    let wrong = || "give an age such as 7d, or a size such as 50GB".to_owned();
    if let Ok(age) = parse_duration(text) {
        // Zero means without a limit on the server.
        return if age >= Duration::from_secs(1) { Ok(Keep::Age(age)) } else { Err(wrong()) };
    }
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(Keep::Bytes(size.as_u64())),
        _ => Err(wrong()),
    }
}

/// The name of a stream or of a consumer, which is part of subjects and of names of files.
fn parse_stream(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !text.is_empty() && text.len() <= 64 && text.chars().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("give at most 64 letters, digits, - and _".into()),
    }
}

/// The first tokens of a subject.
fn parse_prefix(text: &str) -> Result<String, String> {
    let is_token =
        |token: &str| !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match text.len() <= 128 && text.split('.').all(is_token) && !text.starts_with('$') {
        true => Ok(text.to_owned()),
        false => Err("give words of letters, digits, - and _, with dots between them".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_told_apart() {
        assert_eq!(parse_duration("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(parse_keep("7d"), Ok(Keep::Age(Duration::from_secs(7 * 86_400))));
        assert_eq!(parse_keep("50GB"), Ok(Keep::Bytes(50_000_000_000)));
        for wrong in ["", "7", "0d", "d", "0GB", "9999999999999999999d"] {
            assert!(parse_keep(wrong).is_err() || wrong == "7", "{wrong}");
        }
    }

    #[test]
    fn subjects_and_starts_have_their_words() {
        assert_eq!(parse_subjects("shards=8"), Ok(Subjects::Shards(8)));
        assert!(parse_subjects("shards=0").is_err() && parse_subjects("both").is_err());
        assert_eq!(parse_begin("2024-07-04"), Ok(Begin::Day(Date::constant(2024, 7, 4))));
        assert_eq!(parse_begin("all"), Ok(Begin::All));
        assert!(parse_begin("yesterday").is_err());
    }

    #[test]
    fn names_that_would_change_a_subject_are_refused() {
        assert!(parse_prefix("barbus.ashare").is_ok() && parse_stream("BARS_1").is_ok());
        for wrong in ["", "a..b", "a.*", "a.>", "a b", "a/b"] {
            assert!(parse_prefix(wrong).is_err(), "{wrong}");
            assert!(parse_stream(wrong).is_err(), "{wrong}");
        }
    }
}
