//! NATS without streams: a message for each bar, a subscriber on the other machine.

use std::ops::Range;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use async_nats::{Client, Subscriber};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Places;
use crate::market::Day;
use crate::measure::{Consumer, Producer, Running, Way};
use crate::network::Machine;
use crate::processes::{Process, scratch};

const SUBJECT: &str = "bars";

/// NATS without streams.
pub(crate) struct PlainNats;

/// A server of NATS.
pub(crate) struct NatsServer {
    pub(crate) url: String,
    _process: Process,
    _folder: TempDir,
}

impl NatsServer {
    /// A server that keeps streams in files, and does not give up a slow subscriber.
    pub(crate) fn start(machine: &Machine) -> anyhow::Result<Self> {
        let (port, folder) = (machine.free_port(), scratch()?);
        let address = machine.address;
        let config = folder.path().join("nats.conf");
        let text = format!(
            "listen: \"{address}:{port}\"\nmax_pending: 2GB\nwrite_deadline: \"60s\"\njetstream {{ store_dir: {:?} }}\n",
            folder.path().join("store")
        );
        std::fs::write(&config, text)?;
        let mut command = machine.command("nats-server");
        command.arg("-c").arg(&config).stderr(std::process::Stdio::null());
        let process = Process::start(&mut command)?.listens(machine, port)?;
        Ok(Self { url: format!("nats://{address}:{port}"), _process: process, _folder: folder })
    }

    /// Waits until a stream has its first message.
    pub(crate) fn until_it_has(&self, stream: &str) -> anyhow::Result<()> {
        runtime()?.block_on(async {
            let context = async_nats::jetstream::new(async_nats::connect(&self.url).await?);
            for _ in 0..1_000 {
                if let Ok(found) = context.get_stream(stream).await
                    && found.cached_info().state.messages > 0
                {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::bail!("the stream {stream} does not begin")
        })
    }
}

impl Way for PlainNats {
    fn name(&self) -> &'static str {
        "NATS core"
    }

    fn start(&self, places: &Places) -> anyhow::Result<Box<dyn Running>> {
        Ok(Box::new(NatsServer::start(&places.server)?))
    }
}

impl Running for NatsServer {
    fn producer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Producer + 'a>> {
        let runtime = runtime()?;
        let client = runtime.block_on(async_nats::connect(&self.url))?;
        Ok(Box::new(NatsProducer { runtime, client, day }))
    }

    fn consumer<'a>(&'a self, day: &'a Day) -> anyhow::Result<Box<dyn Consumer + 'a>> {
        let runtime = runtime()?;
        let subscriber = runtime.block_on(async {
            // No message is dropped because the test's own queue is full.
            let options = async_nats::ConnectOptions::new().subscription_capacity(2_000_000);
            let client = options.connect(&self.url).await?;
            let subscriber = client.subscribe(SUBJECT).await?;
            // A message that comes back shows that the server has the subscription before it.
            let mut echo = client.subscribe("ready").await?;
            client.publish("ready", "".into()).await?;
            echo.next().await.context("the server has hung up")?;
            anyhow::Ok(subscriber)
        })?;
        Ok(Box::new(NatsConsumer { runtime, subscriber, day }))
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    // The client's own task goes on between two calls.
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

struct NatsProducer<'a> {
    runtime: Runtime,
    client: Client,
    day: &'a Day,
}

impl Producer for NatsProducer<'_> {
    fn send(&mut self, bars: Range<usize>) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            for number in bars {
                self.client.publish(SUBJECT, self.day.message(number).to_vec().into()).await?;
            }
            Ok(self.client.flush().await?)
        })
    }
}

struct NatsConsumer<'a> {
    runtime: Runtime,
    subscriber: Subscriber,
    day: &'a Day,
}

impl Consumer for NatsConsumer<'_> {
    fn receive(&mut self, next: usize) -> anyhow::Result<usize> {
        self.runtime.block_on(async {
            let next_message = tokio::time::timeout(Duration::from_millis(100), self.subscriber.next());
            let Ok(first) = next_message.await else { return Ok(0) };
            let mut message = Some(first.context("the server has hung up")?);
            let mut count = 0;
            // Those that have arrived meanwhile.
            while let Some(found) = message {
                let sent = self.day.message(next + count);
                ensure!(found.payload[..] == sent, "bar {} arrived as another", next + count);
                count += 1;
                message = futures::FutureExt::now_or_never(self.subscriber.next()).flatten();
            }
            Ok(count)
        })
    }
}

/// The version of the server.
pub(crate) fn version() -> String {
    let output = Command::new("nats-server").arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
