//! The command line of the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

/// What the server serves, and where.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// The buses: directories, each with a name for requests if it is not that of the directory.
    #[arg(required = true, value_name = "[NAME=]BUS")]
    pub(crate) buses: Vec<NamedBus>,
    /// The address and port. An address that is not of this machine alone needs --token-file.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9184")]
    pub(crate) listen: SocketAddr,
    /// A file with the token that requests must carry. No other user may read it.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A further name by which browsers reach the server, such as that of a proxy.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) allowed_hosts: Vec<String>,
    /// How old the newest bar may be while the market is open, for /readyz.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub(crate) grace: Duration,
    /// The most rows of one answer of the API.
    #[arg(long, value_name = "ROWS", default_value_t = 200_000)]
    pub(crate) max_rows: usize,
}

/// A bus and the name by which requests ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedBus {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl FromStr for NamedBus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A directory whose name has the sign is itself.
        let named = text.split_once('=').filter(|(name, _)| !name.contains('/') && !PathBuf::from(text).exists());
        let (name, path) = match named {
            Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
            None => {
                let path = PathBuf::from(text);
                let full = std::path::absolute(&path).map_err(|error| error.to_string())?;
                let name = full.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
                (name, path)
            }
        };
        let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!("{name:?} is no name for a bus: write NAME=BUS with letters, digits, - _ and ."));
        }
        Ok(Self { name, path })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|_| "write a time such as 90s or 2m".to_owned())?;
    parsed.try_into().map_err(|_| "a time is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_called_by_its_directory_or_by_a_name() {
        let parse = |text: &str| text.parse::<NamedBus>().map(|bus| (bus.name, bus.path));
        assert_eq!(parse("/srv/ashare"), Ok(("ashare".into(), "/srv/ashare".into())));
        assert_eq!(parse("/srv/ashare/"), Ok(("ashare".into(), "/srv/ashare/".into())));
        assert_eq!(parse("cn=/srv/ashare"), Ok(("cn".into(), "/srv/ashare".into())));
        assert_eq!(parse("/srv/a=b/bus"), Ok(("bus".into(), "/srv/a=b/bus".into())));
        assert!(parse("a b=/srv/ashare").unwrap_err().contains("no name for a bus"));
        assert!(parse("/").is_err());
    }

    #[test]
    fn times_are_written_with_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("-1s").is_err() && duration("soon").is_err());
    }
}
