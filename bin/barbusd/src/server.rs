//! The daemon's life: start, accept, the clock's tick, and the end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use barbus::Bus;
use barbus_writer::Writer;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::access::Access;
use crate::ingest::connection_threads::Connections;
use crate::shared_writer::Daemon;
use crate::alerts as readers;
use crate::socket::Socket;
use crate::watch::{FlushWatch, SyncWatch};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long connections may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The pause after an accept that failed, which is for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn run(bus: &Bus) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot wait for connections")?;
    let served = runtime.block_on(serve(bus));
    runtime.shutdown_timeout(LAST_WORDS);
    served
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> Result<Self> {
        let install = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self { terminate: install(SignalKind::terminate())?, interrupt: install(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

async fn serve(bus: &Bus) -> Result<()> {
    let mut signals = Signals::install()?;
    let access = Access::new(bus)?;
    let writer = Writer::open(bus)?;
    tell_recovery(&writer);
    // Only the holder of the lock may touch the socket.
    let socket = Socket::bind(&bus.socket())?;
    let daemon = Arc::new(Daemon::new(writer, access)?);
    tracing::info!(
        pid = std::process::id(),
        bus = %bus.path().display(),
        socket = %bus.socket().display(),
        calendar = bus.settings().calendar.name(),
        "listening"
    );

    let watching = tokio::spawn(readers::watch(bus.clone()));
    let mut connections = Connections::new(Arc::clone(&daemon));
    let mut flusher = FlushWatch::default();
    let mut syncs = SyncWatch::default();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut bug = None;
    while bug.is_none() {
        tokio::select! {
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => connections.serve(stream),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            ended = connections.ended() => bug = ended,
            _ = tick.tick() => {
                daemon.close_by_clock(Timestamp::now());
                flusher.look(&daemon.waiter.status());
                syncs.look(daemon.durability.last_error());
            }
            signal = signals.next() => {
                tracing::info!("ending: {signal}");
                break;
            }
        }
    }
    tokio::spawn(async move {
        let signal = signals.next().await;
        tracing::warn!("ending at once: a second signal, {signal}");
        std::process::exit(1);
    });

    // The socket's file goes first: with the lock given back below, a successor may make his own.
    drop(socket);
    watching.abort();
    daemon.end();
    bug = bug.or(connections.end(LAST_WORDS).await);
    let waiter = daemon.waiter.clone();
    let durability = daemon.durability.clone();
    // Archives what is closed, puts the ring on disk, gives the lock back.
    // Beside this thread, which still listens to signals.
    let _ = tokio::task::spawn_blocking(move || drop(daemon.retire())).await;
    flusher.look(&waiter.status());
    syncs.look(durability.last_error());
    match bug {
        Some(bug) => bail!("a bug ended the daemon: {bug}"),
        None => {
            tracing::info!("ended");
            Ok(())
        }
    }
}

fn tell_recovery(writer: &Writer) {
    let found = writer.recovery();
    if found.dropped_rows > 0 {
        let frame = |ms: Option<i64>| ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        tracing::warn!(
            rows = found.dropped_rows,
            first_frame = frame(found.dropped_frames_ms.map(|frames| frames.0)).map(tracing::field::display),
            last_frame = frame(found.dropped_frames_ms.map(|frames| frames.1)).map(tracing::field::display),
            torn_blocks = found.torn_blocks,
            "another boot: rows that had not reached the disk are gone; send them again"
        );
    } else if found.other_boot {
        tracing::info!(
            torn_blocks = found.torn_blocks,
            "another boot: back to the last sync; of what came after it nothing had reached the disk"
        );
    }
    if writer.ring_is_outdated() {
        tracing::warn!(
            "bus.toml asks for another size of the ring: it is taken at a start with every day closed and archived"
        );
    }
    let ring = writer.ring();
    let status = ring.status();
    tracing::info!(
        completed_rows = found.completed_rows,
        bars = status.next_seq,
        symbols = status.symbols,
        day = writer.day().map(tracing::field::display),
        "ring taken over"
    );
}
