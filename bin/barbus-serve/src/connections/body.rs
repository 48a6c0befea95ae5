//! Bodies of answers: in pieces, with a limit of time, and with what ends when they end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// The part of an answer that waits in a connection's buffer.
const CHUNK_BYTES: usize = 64 * 1024;
/// A client that reads so slowly that the answer takes longer does not get it.
const LONGEST: Duration = Duration::from_secs(120);

/// A long answer. It is given to its connection piece by piece, so the server knows until when its
/// memory is used: the permit is returned at its end.
pub(crate) struct Chunks {
    rest: Bytes,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Chunks {
    /// `content` as a body that holds `permit`.
    pub(crate) fn body(content: Bytes, permit: OwnedSemaphorePermit) -> Body {
        Body::new(Self { rest: content, until: Instant::now() + LONGEST, _permit: permit })
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > self.until {
            return Poll::Ready(Some(Err(std::io::ErrorKind::TimedOut.into())));
        }
        let length = self.rest.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }
}

/// A body with something that is dropped when the body was sent or broken off.
pub(super) struct Guarded<G> {
    body: Body,
    _guard: G,
}

impl<G> Guarded<G> {
    pub(super) fn new(body: Body, guard: G) -> Self {
        Self { body, _guard: guard }
    }
}

impl<G: Unpin> HttpBody for Guarded<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
