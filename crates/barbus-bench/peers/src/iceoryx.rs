//! iceoryx2 as a peer.

use std::any::Any;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use barbus_bench_link::{AnyPeer, Bar, Measure, Peer, Receiver, Scale, Sender, Wait, beside, remove};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

type Payload = [u64; 9];

/// Samples in the buffer of a subscriber; the publisher waits while it is full.
const BUFFER: usize = 1_024;

pub(crate) fn all() -> [Box<dyn AnyPeer>; 1] {
    [Box::new(Iceoryx)]
}

struct Iceoryx;

impl Peer for Iceoryx {
    type Sender = IceoryxSender;
    type Receiver = IceoryxReceiver;

    fn name(&self) -> &'static str {
        "iceoryx2"
    }

    fn settings(&self) -> String {
        format!(
            "0.10, ipc::Service, no safe overflow, RetryUntilDelivered, a buffer of {BUFFER} samples; loan_uninit, send; receive; asleep: \
             an event service, Notifier::notify after each sample, Listener::timed_wait"
        )
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay, Measure::OneWayAsleep, Measure::OneByOne]
    }

    fn scale(&self) -> Scale {
        Scale { one_by_one: 5_000_000, ..Scale::default() }
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        Ok(Some(Box::new(Remains(prefix(directory)?))))
    }

    fn sender(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<IceoryxSender> {
        let node = open(directory)?;
        let channel = service_name(name)?;
        let publisher = samples(&node, &channel)?
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .max_loaned_samples(2)
            .create()?;
        let notifier = match wait {
            Wait::Spin => None,
            Wait::Sleep => Some(node.service_builder(&channel).event().open_or_create()?.notifier_builder().create()?),
        };
        Ok(IceoryxSender { publisher, notifier, _node: node })
    }

    fn receiver(&self, directory: &Path, name: &str, wait: Wait) -> anyhow::Result<IceoryxReceiver> {
        let node = open(directory)?;
        let channel = service_name(name)?;
        let subscriber = samples(&node, &channel)?.subscriber_builder().buffer_size(BUFFER).create()?;
        let listener = match wait {
            Wait::Spin => None,
            Wait::Sleep => Some(node.service_builder(&channel).event().open_or_create()?.listener_builder().create()?),
        };
        Ok(IceoryxReceiver { subscriber, listener, _node: node })
    }
}

/// A configuration that keeps iceoryx2's files in the directory of the measure.
///
/// Its memory segments are elsewhere and get a prefix.
fn open(directory: &Path) -> anyhow::Result<Node<ipc::Service>> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config.global.prefix =
        FileName::new(prefix(directory)?.as_bytes()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    config.global.set_root_path(
        &iceoryx2::prelude::Path::new(directory.join("iceoryx2").as_os_str().as_encoded_bytes())
            .map_err(|error| anyhow::anyhow!("{error:?}"))?,
    );
    Ok(NodeBuilder::new()
        .config(&config)
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<ipc::Service>()?)
}

fn prefix(directory: &Path) -> anyhow::Result<String> {
    let own = directory.file_name().context("a directory has a name")?.to_string_lossy();
    Ok(format!("{}_", beside(&own)))
}

/// Removes the files with that prefix from shared memory at the end of the measure.
struct Remains(String);

impl Drop for Remains {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn service_name(name: &str) -> anyhow::Result<ServiceName> {
    Ok(name.try_into()?)
}

type Samples = iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, Payload, ()>;

fn samples(node: &Node<ipc::Service>, name: &ServiceName) -> anyhow::Result<Samples> {
    Ok(node
        .service_builder(name)
        .publish_subscribe::<Payload>()
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(BUFFER)
        .subscriber_max_borrowed_samples(2)
        .history_size(0)
        .max_publishers(1)
        .max_subscribers(1)
        .open_or_create()?)
}

struct IceoryxSender {
    publisher: Publisher<ipc::Service, Payload, ()>,
    notifier: Option<Notifier<ipc::Service>>,
    _node: Node<ipc::Service>,
}

impl Sender for IceoryxSender {
    #[inline(always)]
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        // A full buffer accepts no sample before the subscriber has connected.
        while self.publisher.loan_uninit()?.write_payload(Bar::number(n).words()).send()? == 0 {
            std::hint::spin_loop();
        }
        if let Some(notifier) = &self.notifier {
            notifier.notify()?;
        }
        Ok(())
    }
}

struct IceoryxReceiver {
    subscriber: Subscriber<ipc::Service, Payload, ()>,
    listener: Option<Listener<ipc::Service>>,
    _node: Node<ipc::Service>,
}

impl Receiver for IceoryxReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        if let Some(sample) = self.subscriber.receive()? {
            return Bar::from_words(sample.payload()).check(next).map(|()| 1);
        }
        if let Some(listener) = &self.listener {
            listener.timed_wait(|_| {}, Duration::from_millis(100))?;
        }
        Ok(0)
    }
}
