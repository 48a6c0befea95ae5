//! Sessions, one after the other: whatever fails ends one, and another one begins.

use super::backoff::Pause;
use super::failure::{Failure, Outcome};
use super::shared::Shared;
use super::signals::Signals;

/// One direction of the relay.
pub(crate) trait Sessions {
    /// How a session goes on after a failure, for the log.
    const GOES_ON: &str;

    fn shared(&self) -> &Shared;

    /// Carries bars until a failure, or until a signal.
    async fn session(&mut self, signals: &mut Signals) -> Outcome<()>;
}

/// Runs sessions, with pauses after failures, until a signal or a failure that no session can mend.
pub(crate) async fn run<D: Sessions>(direction: &mut D, signals: &mut Signals) -> anyhow::Result<()> {
    let mut pause = Pause::default();
    loop {
        let before = direction.shared().update(|stat| stat.messages);
        let failure = match direction.session(signals).await {
            Ok(()) => return Ok(()),
            Err(Failure::Fatal(error)) => return Err(error),
            Err(Failure::Retry(error)) => error,
        };
        let messages = direction.shared().update(|stat| {
            stat.reconnects += 1;
            stat.connected = false;
            stat.messages
        });
        if messages > before {
            pause.reset();
        }
        let wait = pause.next();
        direction.shared().complain(&format!("{failure:#}"), &format!("the relay goes on after {}", D::GOES_ON));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = signals.next() => return Ok(()),
        }
    }
}
