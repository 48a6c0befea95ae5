//! The server: its buses, its socket, and its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::api::Desk;
use crate::connections::{self, Connections};
use crate::options::ServeOptions;
use crate::router::router;
use crate::watch::ServedBus;

/// What every request may use.
pub(crate) struct Server {
    buses: Vec<Arc<ServedBus>>,
    pub(crate) access: Access,
    pub(crate) connections: Arc<Connections>,
    /// Answers that cost time and memory.
    pub(crate) desk: Desk,
    /// Places of pages that receive new bars.
    pub(crate) pages: Arc<Semaphore>,
    /// How old the newest bar may be while the market is open.
    pub(crate) grace: Duration,
}

/// The most pages that receive new bars at a time.
const MOST_PAGES: usize = 128;

impl Server {
    /// The buses, in the order of the command line.
    pub(crate) fn buses(&self) -> &[Arc<ServedBus>] {
        &self.buses
    }

    /// The bus of this name; without a name, the first one.
    pub(crate) fn bus(&self, name: Option<&str>) -> Option<&Arc<ServedBus>> {
        match name {
            None => self.buses.first(),
            Some(name) => self.buses.iter().find(|bus| bus.name() == name),
        }
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// A directory is no bus, two buses have one name, the token's file cannot be used, or the address
/// cannot be listened on.
pub fn run(options: &ServeOptions) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    if let Some(twice) = options.buses.iter().find(|bus| !names.insert(&bus.name)) {
        bail!("two buses are called {}: name one of them: NAME={}", twice.name, twice.path.display());
    }
    let access = Access::new(options)?;
    let buses = options.buses.iter().map(|bus| ServedBus::open(&bus.name, &bus.path).map(Arc::new));
    let buses = buses.collect::<Result<Vec<_>, _>>()?;
    let connections = Arc::new(Connections::default());
    let server = Server {
        buses,
        access,
        connections,
        desk: Desk::new(options.max_rows),
        pages: Arc::new(Semaphore::new(MOST_PAGES)),
        grace: options.grace,
    };
    // One thread serves all sockets; what reads files has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(8).build()?;
    runtime.block_on(serve(options, Arc::new(server)))
}

async fn serve(options: &ServeOptions, server: Arc<Server>) -> anyhow::Result<()> {
    let address = options.listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("{address}: cannot listen"))?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    for bus in server.buses() {
        bus.follow()?;
    }
    // The port is the system's choice if 0 was given: tests and scripts read it here.
    eprintln!("barbus-serve: listening on http://{}", listener.local_addr()?);
    let connections = server.connections.clone();
    tokio::select! {
        () = connections::serve(listener, router(server), connections) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
