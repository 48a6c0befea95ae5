//! The life of the daemon: start, accept connections, close days by the clock, shut down.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use barbus::Bus;
use barbus::internal::LogLimit;
use barbus_writer::Writer;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::access::Access;
use crate::alerts;
use crate::calendar_reload;
use crate::connection_threads::ConnectionThreads;
use crate::service_manager::{self, ServiceManager};
use crate::shared_writer::SharedWriter;
use crate::socket::Socket;

/// How often the daemon checks whether a day is due to close.
const TICK: Duration = Duration::from_millis(200);
/// How long connections may take to end before they are cut off.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// The pause after a failed accept: the process or the system lacks descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time slice of the daemon's threads, the shortest that the kernel gives. A thread that wakes
/// up for a live bar displaces those of other programs at once, and waits less for its own.
const TIME_SLICE: Duration = Duration::from_micros(100);

/// The lines about failed accepts: ten a second while the cause lasts.
static NOT_ACCEPTED: LogLimit = LogLimit::new(1, Duration::from_secs(60));

/// Runs the daemon of `bus` until a signal or a bug ends it.
pub(crate) fn run(bus: &Bus) -> Result<()> {
    // Without it the daemon works too. All threads are started below, and have the slice.
    let _ = barbus_shm::set_time_slice(TIME_SLICE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the event loop")?;
    let served = runtime.block_on(serve(bus));
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    served
}

async fn serve(bus: &Bus) -> Result<()> {
    let mut signals = Signals::install()?;
    let access = Access::new(bus)?;
    let writer = Writer::open(bus)?;
    report_recovery(&writer);
    // Only the holder of the writer's lock may replace the socket.
    let socket = Socket::bind(&bus.socket())?;
    writer.reserve_room_for_restart();
    let writer = Arc::new(SharedWriter::new(writer)?);
    let mut connections = ConnectionThreads::new(access, Arc::clone(&writer));
    tracing::info!(
        pid = std::process::id(),
        bus = %bus.path().display(),
        socket = %bus.socket().display(),
        calendar = bus.settings().calendar.name(),
        "listening"
    );

    let mut manager = ServiceManager::of_environment();
    manager.ready(bus);
    let alerts = tokio::spawn(alerts::watch(bus.clone()));
    let bug = accept_until_signal(&socket, &mut connections, &writer, &mut signals, &mut manager).await;
    manager.stopping();
    exit_on_second_signal(signals);

    // Remove the socket's file first: once the lock is released, a successor may create its own.
    drop(socket);
    alerts.abort();
    let bug = bug.or(connections.shut_down(SHUTDOWN_GRACE).await);
    // In another thread: this one still handles signals.
    let _ = tokio::task::spawn_blocking(move || writer.close()).await;
    match bug {
        Some(bug) => bail!("a bug ended the daemon: {bug}"),
        None => {
            tracing::info!("ended");
            Ok(())
        }
    }
}

/// Accepts connections and closes days by the clock until a signal ends it.
///
/// Returns the message of a panic where a bug in a connection ended it.
async fn accept_until_signal(
    socket: &Socket,
    connections: &mut ConnectionThreads,
    writer: &Arc<SharedWriter>,
    signals: &mut Signals,
    manager: &mut ServiceManager,
) -> Option<String> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => connections.spawn(stream),
                Err(error) => {
                    if let Some(suppressed) = NOT_ACCEPTED.admit_line() {
                        tracing::warn!(
                            %error, suppressed,
                            "cannot accept a connection: raise the limit of open files (LimitNOFILE)"
                        );
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            bug = connections.next_end() => if bug.is_some() {
                return bug;
            },
            _ = tick.tick() => {
                writer.close_by_clock(Timestamp::now());
                manager.progress(writer);
            }
            signal = signals.next() => match signal {
                HANGUP => {
                    let writer = Arc::clone(writer);
                    // In a thread: days of the archive may have to be read.
                    manager.reloading();
                    tokio::task::spawn_blocking(move || {
                        calendar_reload::reload(&writer);
                        service_manager::reloaded();
                    });
                }
                signal => {
                    tracing::info!("ending: {signal}");
                    return None;
                }
            }
        }
    }
}

fn exit_on_second_signal(mut signals: Signals) {
    tokio::spawn(async move {
        let mut signal = signals.next().await;
        while signal == HANGUP {
            signal = signals.next().await;
        }
        tracing::warn!("ending at once: a second signal, {signal}");
        std::process::exit(1);
    });
}

/// The name of the signal that makes the daemon read its calendar again.
const HANGUP: &str = "SIGHUP";

/// SIGTERM, SIGINT and SIGHUP.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> Result<Self> {
        let install = |kind| signal(kind).context("cannot install a signal handler");
        Ok(Self {
            terminate: install(SignalKind::terminate())?,
            interrupt: install(SignalKind::interrupt())?,
            hangup: install(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => HANGUP,
        }
    }
}

/// Logs the rows that the writer recovered from the ring, and the lost ones.
fn report_recovery(writer: &Writer) {
    let recovery = writer.recovery();
    if recovery.dropped_rows > 0 {
        let frame = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        tracing::warn!(
            rows = recovery.dropped_rows,
            first_frame = frame(recovery.dropped_frames_ms.map(|frames| frames.0)).map(tracing::field::display),
            last_frame = frame(recovery.dropped_frames_ms.map(|frames| frames.1)).map(tracing::field::display),
            torn_blocks = recovery.torn_blocks,
            "the machine was restarted: rows that had not reached the disk are lost; send them again"
        );
    } else if recovery.other_boot {
        tracing::info!(
            torn_blocks = recovery.torn_blocks,
            "the machine was restarted: the ring has the state of its last sync; later rows did not reach the disk"
        );
    }
    if recovery.copied {
        tracing::info!(torn_blocks = recovery.torn_blocks, "the ring is a copy: it goes on after the copied rows");
    }
    if writer.ring_is_outdated() {
        tracing::warn!(
            "a new ring of this bus.toml would have other sizes: to apply them, run barbus close-day, then restart the \
             daemon"
        );
    }
    let status = writer.ring().status();
    tracing::info!(
        completed_rows = recovery.completed_rows,
        bars = status.next_seq,
        symbols = status.symbols,
        day = writer.day().map(tracing::field::display),
        "ring opened"
    );
}
