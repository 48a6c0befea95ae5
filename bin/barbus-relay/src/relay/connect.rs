//! The connection to NATS, and errors that say what to do.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::sync::watch;

use super::failure::Failure;
use super::options::{Access, Place};

/// How long a server has to answer a request or to acknowledge a message.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server has to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// How often the connection is probed: a server behind a cut cable is noticed after two of them.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// The longest pause between two attempts to connect again.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// A connection that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    /// Grows with each loss of the connection.
    pub(crate) losses: watch::Receiver<u64>,
    last_refusal: Arc<Mutex<Option<String>>>,
    /// Whether a session has begun: what fails later may come back by itself.
    has_worked: Arc<AtomicBool>,
}

impl Connection {
    /// A session has begun.
    pub(crate) fn set_worked(&self) {
        self.has_worked.store(true, Ordering::Relaxed);
    }

    /// A failure that a person has to remove, unless it worked before.
    pub(crate) fn fatal_at_first(&self, what: String) -> Failure {
        match self.has_worked.load(Ordering::Relaxed) {
            true => Failure::Retry(anyhow!(what)),
            false => Failure::Fatal(anyhow!(what)),
        }
    }

    /// What the server refused last, if it said so since the last call.
    pub(crate) fn take_refusal(&self) -> Option<String> {
        self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds to an error what the server has refused.
    pub(crate) fn explain(&self, what: String) -> String {
        match self.take_refusal() {
            Some(refusal) => {
                format!("{what}; the server says: {refusal}: give the account of the relay these rights")
            }
            None => what,
        }
    }

    /// Waits until the connection stands.
    pub(crate) async fn stands(&self) {
        while self.client.connection_state() != async_nats::connection::State::Connected {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Connects to one of the servers.
///
/// # Errors
/// None of them answers, or they refuse the relay.
pub(crate) async fn connect(place: &Place, name: &str) -> anyhow::Result<Connection> {
    let servers: Vec<&str> = place.nats.split(',').map(str::trim).filter(|server| !server.is_empty()).collect();
    let (lost, losses) = watch::channel(0_u64);
    let last_refusal = Arc::new(Mutex::new(None));
    let refusals = Arc::clone(&last_refusal);
    let options = options(&place.access).await?.name(format!("barbus-relay {name}"));
    let options = options
        .connection_timeout(CONNECT_PATIENCE)
        .request_timeout(Some(PATIENCE))
        .ping_interval(PING_INTERVAL)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            Duration::from_millis(50).saturating_mul(1 << attempts.min(8) as u32).min(LONGEST_PAUSE)
        })
        .event_callback(move |event| {
            match &event {
                Event::Disconnected => lost.send_modify(|losses| *losses += 1),
                Event::ServerError(error) => {
                    *refusals.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                }
                _ => {}
            }
            async move { tracing::info!("NATS: {event}") }
        });
    let client = options.connect(servers).await.map_err(|error| {
        let shown = without_secrets(&place.nats);
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => anyhow!(
                "{shown}: the server does not accept this account ({error}): check --creds, --nkey or --user-file"
            ),
            // A certificate that is refused is an error of the connection here, not of TLS.
            kind if kind == ConnectErrorKind::Tls || error.to_string().contains("certificate") => {
                anyhow!("{shown}: no TLS connection ({error}): check --tls-ca and the name of the server")
            }
            ConnectErrorKind::ServerParse => anyhow!("{shown}: no URL ({error}): give nats://HOST:4222"),
            _ => anyhow!("{shown}: no server answers ({error}): start nats-server, or correct --nats"),
        }
    })?;
    let jetstream = ContextBuilder::new().timeout(PATIENCE).max_ack_inflight(100_000).build(client.clone());
    Ok(Connection { client, jetstream, losses, last_refusal, has_worked: Arc::default() })
}

/// The options of the account.
async fn options(access: &Access) -> anyhow::Result<ConnectOptions> {
    let mut options = ConnectOptions::new();
    if let Some(path) = &access.creds {
        let loaded = options.credentials_file(path).await;
        options = loaded.with_context(|| format!("{}: not a credentials file of NATS", path.display()))?;
    } else if let Some(path) = &access.nkey {
        options = options.nkey(secret(path)?);
    } else if let Some(path) = &access.user_file {
        let text = secret(path)?;
        let Some((user, password)) = text.split_once(':') else {
            bail!("{}: it has no line USER:PASSWORD: write one", path.display());
        };
        options = options.user_and_password(user.to_owned(), password.to_owned());
    }
    if let Some(path) = &access.tls_ca {
        std::fs::metadata(path).with_context(|| format!("{}: cannot read it", path.display()))?;
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    Ok(options)
}

/// The first line of a file with a secret.
fn secret(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot read it", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// URLs without what may be a password.
pub(crate) fn without_secrets(urls: &str) -> String {
    let clean = |url: &str| match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}{}", &url[..scheme + 3], &url[at + 1..]),
        (None, Some(at)) => url[at + 1..].to_owned(),
        _ => url.to_owned(),
    };
    urls.split(',').map(|url| clean(url.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_secrets("nats://a:b@h:1, tls://g"), "nats://h:1,tls://g");
        assert_eq!(without_secrets("u:p@h"), "h");
    }
}
