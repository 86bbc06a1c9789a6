//! `/metrics`: answers a scrape of any length with the memory of one slice.
//!
//! Invariants:
//! 1. An answer of at most [`WHOLE`] is sent whole, with its length. A longer answer is made in slices as the client
//!    takes it. So slow clients cost memory only for what is being sent. The values of a slice are those at the time
//!    when it is made.
//! 2. A slice is made in one step: well below a millisecond for text, and a few milliseconds with compression. Then
//!    other tasks run.
//! 3. At most [`slice_permits`](ScrapeState::slice_permits) slices are made at a time, in the order of requests. So
//!    half of the runtime's threads stay free for others.
//! 4. An answer that is not taken within [`Limits::write_total`] is aborted.
//! 5. At most [`Limits::scrapes`] scrapes are in progress. Further scrapes get a 503.
//!
//! `cargo run --release -p app-metrics --example scrapes` prints the cost with up to a million series.

#[cfg(test)]
mod tests;

use super::Limits;
use super::metrics::HttpMetrics;
use super::negotiation::{self, Coding, VARY};
use super::router::response;
use crate::Metrics;
use crate::exposition::{Format, Progress, Scrape};
use crate::names::Names;
use crate::route::RouteResponse;
use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, VARY as VARY_HEADER};
use axum::http::{Response, Uri};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, future, stream};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Length of the text that is written in one step.
const SLICE: usize = 64 * 1024;
/// An answer up to this length is sent whole.
const WHOLE: usize = 1024 * 1024;

/// Answers scrapes. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Scrapes(Arc<ScrapeState>);

#[derive(Debug)]
struct ScrapeState {
    metrics: Metrics,
    meters: HttpMetrics,
    /// A permit for each scrape in progress.
    in_progress: Arc<Semaphore>,
    /// A permit for each slice that is being made.
    slice_permits: Semaphore,
    deadline: Duration,
}

impl Scrapes {
    /// Needs a tokio runtime.
    pub(crate) fn new(metrics: Metrics, meters: HttpMetrics, limits: Limits) -> Self {
        let slice_permits = Semaphore::new((Handle::current().metrics().num_workers() / 2).max(1));
        let in_progress = Arc::new(Semaphore::new(limits.scrapes));
        Self(Arc::new(ScrapeState {
            metrics,
            meters,
            in_progress,
            slice_permits,
            deadline: limits.write_total,
        }))
    }

    /// Answers a request with these headers. Cancel safe: an answer that is dropped leaves nothing behind.
    pub(super) async fn answer(self, uri: Uri, headers: HeaderMap) -> Response<Body> {
        let names = match negotiation::names(uri.query()) {
            Ok(names) => names,
            Err(why) => return varied(RouteResponse::text(400, why)),
        };
        let Some(coding) = negotiation::coding(&headers) else {
            return varied(RouteResponse::text(406, "supported codings: gzip, identity\n"));
        };
        let Ok(permit) = Arc::clone(&self.0.in_progress).try_acquire_owned() else {
            self.0.meters.scrapes_refused.inc();
            let refused = RouteResponse::text(503, "too many scrapes in progress; try again\n");
            return varied(refused.header("Retry-After", "1"));
        };
        let format = negotiation::format(&headers);
        match Answer::begin(self.0, (format, names), coding, permit).await.body().await {
            Ok(body) => {
                let mut response = varied(RouteResponse::new(200, format.content_type(), Vec::new()));
                *response.body_mut() = body;
                if coding == Coding::Gzip {
                    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                response
            }
            Err(error) => varied(RouteResponse::text(500, format!("cannot write the metrics: {error}\n"))),
        }
    }
}

fn varied(answer: RouteResponse) -> Response<Body> {
    let mut response = response(answer);
    response.headers_mut().insert(VARY_HEADER, HeaderValue::from_static(VARY));
    response
}

/// An answer in progress.
struct Answer {
    shared: Arc<ScrapeState>,
    /// `None` once everything is written.
    scrape: Option<Scrape>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    began: Instant,
    bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl Answer {
    async fn begin(
        shared: Arc<ScrapeState>,
        (format, names): (Format, Names),
        coding: Coding,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let began = Instant::now();
        let scrape = Some(shared.metrics.scraped(format, names, &shared.slice_permits).await);
        let gzip = (coding == Coding::Gzip).then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { shared, scrape, gzip, began, bytes: 0, _permit: permit }
    }

    /// The whole answer if it is short, or a stream that makes it.
    async fn body(mut self) -> io::Result<Body> {
        let mut beginning = Vec::new();
        while let Some(piece) = self.next().await? {
            beginning.extend_from_slice(&piece);
            if beginning.len() > WHOLE {
                let rest = stream::try_unfold(self, |mut answer| async move {
                    Ok::<_, io::Error>(answer.next().await?.map(|piece| (piece, answer)))
                });
                let pieces = stream::once(future::ready(Ok(beginning))).chain(rest);
                return Ok(Body::from_stream(pieces));
            }
        }
        Ok(Body::from(beginning))
    }

    /// The next piece, never empty; `None` after the last.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        while let Some(scrape) = &mut self.scrape {
            if self.began.elapsed() > self.shared.deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take the answer"));
            }
            let slice_permit = self.shared.slice_permits.acquire().await;
            let mut text = String::with_capacity(SLICE + SLICE / 16);
            let progress = scrape.write(&mut text, SLICE);
            let piece = match &mut self.gzip {
                None => text.into_bytes(),
                Some(gzip) => {
                    gzip.write_all(text.as_bytes())?;
                    if progress == Progress::Done {
                        gzip.try_finish()?;
                    }
                    std::mem::take(gzip.get_mut())
                }
            };
            drop(slice_permit);
            self.bytes += piece.len();
            if progress == Progress::Done {
                self.scrape = None;
                self.shared.meters.scrape_duration.observe(self.began.elapsed().as_secs_f64());
                self.shared.meters.scrape_size.observe(self.bytes as f64);
            }
            tokio::task::yield_now().await;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}
