//! What a test itself asks a NATS server, as a client beside the relays.

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Info;

use super::network::Machine;
use super::wait;

/// A client that connects for each question.
pub(crate) struct Client {
    machine: Machine,
    url: String,
}

impl Client {
    /// A client on `machine` of the servers of `url`.
    pub(crate) fn new(machine: &Machine, url: &str) -> Self {
        Self { machine: machine.clone(), url: url.to_owned() }
    }

    /// Runs `work` with a connection.
    pub(crate) fn ask<T: Send>(&self, work: impl AsyncFnOnce(jetstream::Context) -> T + Send) -> T {
        self.machine.enter(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let servers: Vec<&str> = self.url.split(',').collect();
                let client = async_nats::connect(servers).await.expect("a server listens");
                work(jetstream::new(client)).await
            })
        })
    }

    /// What the servers know of a stream; `None` if there is none, or no leader.
    pub(crate) fn stream(&self, name: &str) -> Option<Info> {
        self.ask(async |context| {
            let stream = context.get_stream(name).await.ok()?;
            stream.get_info().await.ok()
        })
    }

    /// Waits until the servers know which streams there are: a cluster has its leader.
    pub(crate) fn until_ready(&self) {
        wait::until("JetStream", || {
            let answer = self.ask(async |context| context.get_stream("NONE").await.map(drop));
            let Err(GetStreamErrorKind::JetStream(error)) = answer.map_err(|error| error.kind()) else { return None };
            (error.error_code() == ErrorCode::STREAM_NOT_FOUND).then_some(())
        });
    }

    /// Stores a message that no relay has made.
    pub(crate) fn publish(&self, subject: &str, payload: &'static [u8]) {
        self.ask(async |context| {
            let stored = context.publish(subject.to_owned(), payload.into()).await.expect("it is sent");
            stored.await.expect("it is stored");
        });
    }
}
