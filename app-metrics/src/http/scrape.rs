//! `/metrics`: the answer to a scrape, in the memory of a slice, however long it is.
//!
//! Invariants:
//! 1. An answer that is at most [`WHOLE`] long is sent whole, with its length. A longer one is made as the client takes
//!    it, in slices, so a slow client or many of them cost memory for what is under way only, and the values of a slice
//!    are those of the time at which it is taken.
//! 2. A slice is made in one go, in well below a millisecond for text and a few when it is compressed; then others run.
//! 3. At most [`turns`](ScrapeState::turns) slices are made at a time, which leaves half of the runtime's threads to others
//!    whatever is scraped; whoever waits for a turn gets it in the order of asking.
//! 4. An answer that is not taken within [`Limits::write_total`] is broken off.
//! 5. At most [`Limits::scrapes`] are being answered; one more is told to come again.
//!
//! `cargo run --release -p app-metrics --example scrapes` prints what that comes to with up to a million series.

#[cfg(test)]
mod tests;

use super::Limits;
use super::metrics::HttpMetrics;
use super::negotiation::{self, Coding, VARY};
use super::router::response;
use crate::Metrics;
use crate::exposition::{Format, Progress, Scrape};
use crate::route::RouteResponse;
use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, VARY as VARY_HEADER};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, future, stream};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Text that is written in one go.
const SLICE: usize = 64 * 1024;
/// An answer up to this length is sent whole.
const WHOLE: usize = 1024 * 1024;

/// What answers scrapes. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Scrapes(Arc<ScrapeState>);

#[derive(Debug)]
struct ScrapeState {
    metrics: Metrics,
    meters: HttpMetrics,
    /// One for each scrape that may be being answered.
    places: Arc<Semaphore>,
    /// One for each slice that may be being made.
    turns: Semaphore,
    deadline: Duration,
}

impl Scrapes {
    /// Needs a tokio runtime.
    pub(crate) fn new(metrics: Metrics, meters: HttpMetrics, limits: Limits) -> Self {
        let turns = Semaphore::new((Handle::current().metrics().num_workers() / 2).max(1));
        let places = Arc::new(Semaphore::new(limits.scrapes));
        Self(Arc::new(ScrapeState { metrics, meters, places, turns, deadline: limits.write_total }))
    }

    /// The answer to a request with these headers. Cancel safe: what is not answered any more leaves nothing behind.
    pub(super) async fn answer(self, headers: HeaderMap) -> Response<Body> {
        let Some(coding) = negotiation::coding(&headers) else {
            return varied(RouteResponse::text(406, "there is gzip, and no coding at all\n"));
        };
        let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
            self.0.meters.scrapes_refused.inc();
            let refused = RouteResponse::text(503, "too many scrapes at a time\n");
            return varied(refused.header("Retry-After", "1"));
        };
        let format = negotiation::format(&headers);
        match Answer::begin(self.0, format, coding, place).await.body().await {
            Ok(body) => {
                let mut response = varied(RouteResponse::new(200, format.content_type(), Vec::new()));
                *response.body_mut() = body;
                if coding == Coding::Gzip {
                    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                response
            }
            Err(error) => {
                varied(RouteResponse::text(500, format!("the metrics could not be written: {error}\n")))
            }
        }
    }
}

fn varied(answer: RouteResponse) -> Response<Body> {
    let mut response = response(answer);
    response.headers_mut().insert(VARY_HEADER, HeaderValue::from_static(VARY));
    response
}

/// An answer that is being made.
struct Answer {
    shared: Arc<ScrapeState>,
    /// `None` once all is written.
    scrape: Option<Scrape>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    began: Instant,
    bytes: usize,
    _place: OwnedSemaphorePermit,
}

impl Answer {
    async fn begin(
        shared: Arc<ScrapeState>,
        format: Format,
        coding: Coding,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let began = Instant::now();
        let turn = shared.turns.acquire().await;
        let scrape = Some(shared.metrics.scrape(format));
        drop(turn);
        let gzip = (coding == Coding::Gzip).then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { shared, scrape, gzip, began, bytes: 0, _place: place }
    }

    /// All of it if it is short, else what makes it.
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

    /// What comes next, never empty; `None` after the last.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        while let Some(scrape) = &mut self.scrape {
            if self.began.elapsed() > self.shared.deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take the answer"));
            }
            let turn = self.shared.turns.acquire().await;
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
            drop(turn);
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
