//! Aeron IPC as a peer.

use std::any::Any;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use barbus_bench_link::{AnyPeer, Bar, Measure, Peer, Receiver, Sender, Wait, until};
use rusteron_client::{AERON_IPC_STREAM, Aeron, AeronExclusivePublication, AeronImage, AeronSubscription, Handlers};
use rusteron_media_driver::testing::EmbeddedDriver;

/// Bytes of a term; the publication waits for a reader that is half a term behind.
const TERM: usize = 64 << 20;
/// Maximum fragments of one poll.
const POLL: usize = 256;

pub(crate) fn all() -> [Box<dyn AnyPeer>; 1] {
    [Box::new(AeronIpc)]
}

struct AeronIpc;

impl Peer for AeronIpc {
    type Sender = AeronSender;
    type Receiver = AeronReceiver;

    fn name(&self) -> &'static str {
        "Aeron IPC"
    }

    fn settings(&self) -> String {
        format!(
            "rusteron 0.2, static; a media driver in a process of its own, shared threading mode, its default idle strategies; exclusive \
             publication, terms of {} MB; offer, AeronImage::poll of up to {POLL} fragments",
            TERM >> 20
        )
    }

    fn measures(&self) -> &'static [Measure] {
        &[Measure::OneWay, Measure::OneByOne]
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        let driver = EmbeddedDriver::launch_with(|context| {
            context.set_dir(&c_text(&driver_directory(directory)))?;
            context.set_ipc_term_buffer_length(TERM)?;
            context.set_threading_mode(
                rusteron_media_driver::bindings::aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED,
            )?;
            Ok(())
        })?;
        Ok(Some(Box::new(driver)))
    }

    fn sender(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<AeronSender> {
        let aeron = until(|| Aeron::connect_dir(&driver_directory(directory)))?;
        let publication = aeron
            .async_add_exclusive_publication(AERON_IPC_STREAM, stream(name))?
            .poll_blocking(Duration::from_secs(10))?;
        Ok(AeronSender { publication, _aeron: aeron })
    }

    fn receiver(&self, directory: &Path, name: &str, _wait: Wait) -> anyhow::Result<AeronReceiver> {
        let aeron = until(|| Aeron::connect_dir(&driver_directory(directory)))?;
        let subscription = aeron
            .async_add_subscription(AERON_IPC_STREAM, stream(name), Handlers::NONE, Handlers::NONE)?
            .poll_blocking(Duration::from_secs(10))?;
        let image = until(|| subscription.image_at_index(0).context("no publication"))?;
        Ok(AeronReceiver { image, _subscription: subscription, _aeron: aeron })
    }
}

fn driver_directory(directory: &Path) -> String {
    directory.join("aeron").display().to_string()
}

fn c_text(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).expect("a path without zeros")
}

fn stream(name: &str) -> i32 {
    if name == "out" { 1_001 } else { 1_002 }
}

struct AeronSender {
    publication: AeronExclusivePublication,
    _aeron: Aeron,
}

impl Sender for AeronSender {
    #[inline(always)]
    fn send(&mut self, n: u64) -> anyhow::Result<()> {
        let bytes = Bar::number(n).bytes();
        loop {
            match self.publication.offer(&bytes) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_retryable() => std::hint::spin_loop(),
                Err(error) => return Err(anyhow!("{error:?}")),
            }
        }
    }
}

struct AeronReceiver {
    image: AeronImage,
    _subscription: AeronSubscription,
    _aeron: Aeron,
}

impl Receiver for AeronReceiver {
    #[inline(always)]
    fn receive(&mut self, next: u64) -> anyhow::Result<u64> {
        let mut n = next;
        let mut wrong = None;
        self.image.poll_fn(
            |bytes, _header| {
                if let Err(error) = Bar::from_bytes(bytes).and_then(|bar| bar.check(n)) {
                    wrong.get_or_insert(error);
                }
                n += 1;
            },
            POLL,
        )?;
        wrong.map_or(Ok(n - next), Err)
    }
}
