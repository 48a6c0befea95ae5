//! `/live`: new bars and the state of a bus as server-sent events.
//!
//! - `bars`: new bars, five times a second at most, in one message for all symbols
//! - `state`: the state of the bus, every two seconds
//! - `resync`: this page has missed bars and must read the watch list again

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use crate::api::{ApiError, Parameters};
use crate::server::Server;
use crate::watch::ServedBus;

/// How often the state is sent. It is also the sign that the server lives.
const STATE_INTERVAL: Duration = Duration::from_secs(2);
/// Messages that wait for a slow page. More wait in the channel of its bus; then it must resync.
const WAITING: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveParameters {
    bus: Option<String>,
}

/// The events of a bus, until the page goes away.
pub(crate) async fn events(
    State(server): State<Arc<Server>>,
    Parameters(LiveParameters { bus: name }): Parameters<LiveParameters>,
) -> Result<Response, ApiError> {
    let name = name.as_deref();
    let bus = server.bus(name).ok_or_else(|| ApiError::no_bus(&server, name.unwrap_or_default()))?.clone();
    let page = server.pages.clone().try_acquire_owned().map_err(|_| ApiError::busy())?;
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(send(bus, server.grace, sender));
    let events = Events { receiver, _page: page };
    Ok(([(CONTENT_TYPE, "text/event-stream")], Body::new(events)).into_response())
}

/// Sends until the page is gone. A page that reads slowly makes only this task wait.
async fn send(bus: Arc<ServedBus>, grace: Duration, events: mpsc::Sender<Bytes>) {
    let mut bars = bus.listen();
    let mut states = interval(STATE_INTERVAL);
    states.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            message = bars.recv() => match message {
                Ok(text) => event("bars", &text),
                Err(RecvError::Lagged(_)) => event("resync", "{}"),
                Err(RecvError::Closed) => return,
            },
            _ = states.tick() => match bus.state_text(grace).await {
                Ok(text) => event("state", &text),
                Err(_) => continue,
            },
            () = events.closed() => return,
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// JSON has no line breaks, so a message is one line.
fn event(name: &str, data: &str) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// The body of the answer.
struct Events {
    receiver: mpsc::Receiver<Bytes>,
    _page: OwnedSemaphorePermit,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.receiver.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
