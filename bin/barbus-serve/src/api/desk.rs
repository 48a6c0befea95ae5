//! How many questions are answered at a time, and how much of answers waits for slow clients.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::connections::Chunks;

/// Questions that read bars at a time: each may use a processor and some megabytes.
const QUESTIONS: usize = 2;
/// Answers that are being sent, or wait until their client reads.
const ANSWERS: usize = 32;
/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where questions wait for their turn.
pub(crate) struct Desk {
    questions: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    /// The most rows of an answer.
    pub(super) max_rows: usize,
}

/// An answer: its media type and its bytes.
pub(super) type Encoded = (&'static str, Vec<u8>);

impl Desk {
    pub(crate) fn new(max_rows: usize) -> Self {
        Self { questions: Arc::new(Semaphore::new(QUESTIONS)), answers: Arc::new(Semaphore::new(ANSWERS)), max_rows }
    }

    /// Answers with what `ask` finds, in its turn.
    pub(super) async fn answer(
        &self,
        ask: impl FnOnce() -> Result<Encoded, ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let place = turn(&self.answers).await?;
        let turn = turn(&self.questions).await?;
        let (media, content) = blocking(ask).await??;
        drop(turn);
        Ok(([(CONTENT_TYPE, media)], Chunks::body(Bytes::from(content), place)).into_response())
    }
}

async fn turn(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let turn = tokio::time::timeout(PATIENCE, places.clone().acquire_owned()).await;
    turn.map_err(|_| ApiError::busy())?.map_err(ApiError::internal)
}

/// Does work that reads files, on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}
