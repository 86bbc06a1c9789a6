//! The body of an answer, which notes when all of it was handed over.

use super::stream::Activity;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A body that keeps its connection busy. A body that is made while it is sent is flushed many times before its end.
/// The connection does not wait for its client at any of these flushes.
#[derive(Debug)]
pub(super) struct Tracked {
    body: Body,
    activity: Arc<Activity>,
}

impl Tracked {
    pub(super) fn new(body: Body, activity: Arc<Activity>) -> Self {
        Self { body, activity }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if self.body.is_end_stream() {
            self.activity.writing();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Covers bodies that are not polled to the end: an empty body, or a body whose length was known.
impl Drop for Tracked {
    fn drop(&mut self) {
        self.activity.writing();
    }
}
