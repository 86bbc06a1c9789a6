//! Streams of a simulated network. Bytes arrive later, in order, in pieces, or not at all.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::network::Routes;

/// The most bytes under way in one direction.
const UNDER_WAY: usize = 64 * 1024;

/// One direction of a connection.
struct Direction {
    /// Pieces, and when each arrives.
    under_way: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    /// All bytes ever written, and at how many the connection breaks.
    written: u64,
    breaks_at: u64,
    /// The writer has closed.
    closed: bool,
    /// The reader was dropped.
    unread: bool,
}

/// A connection: both directions, and the tasks that wait for a change.
pub(super) struct Link {
    directions: [Direction; 2],
    broken: bool,
    waiting: Vec<Waker>,
    routes: Arc<Routes>,
    route: usize,
}

impl Link {
    /// Resets the connection. Bytes under way are lost.
    pub(super) fn break_down(&mut self) {
        self.broken = true;
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// One end of a connection.
pub(super) struct SimulatedStream {
    link: Arc<Mutex<Link>>,
    side: usize,
    arrival: Option<Pin<Box<Sleep>>>,
}

/// Both ends of a connection, and the link to break it by. The connection also breaks by itself after a number of bytes in either direction.
pub(super) fn pair(
    routes: &Arc<Routes>,
    route: usize,
    breaks_at: [u64; 2],
) -> (SimulatedStream, SimulatedStream, Weak<Mutex<Link>>) {
    let directions = breaks_at.map(|breaks_at| Direction {
        under_way: VecDeque::new(),
        bytes: 0,
        written: 0,
        breaks_at,
        closed: false,
        unread: false,
    });
    let link = Link { directions, broken: false, waiting: Vec::new(), routes: Arc::clone(routes), route };
    let link = Arc::new(Mutex::new(link));
    let end = |side| SimulatedStream { link: Arc::clone(&link), side, arrival: None };
    (end(0), end(1), Arc::downgrade(&link))
}

impl AsyncRead for SimulatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let arrives = {
            let mut link = self.link.lock();
            if link.broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let open_at = link.routes.open_at(link.route, Instant::now());
            let other = 1 - self.side;
            let incoming = &mut link.directions[other];
            let arrives = match incoming.under_way.front_mut() {
                None if incoming.closed => return Poll::Ready(Ok(())),
                None => None,
                Some((at, bytes)) if (*at).max(open_at) <= Instant::now() => {
                    let count = bytes.len().min(buf.remaining());
                    buf.put_slice(&bytes[..count]);
                    bytes.drain(..count);
                    if bytes.is_empty() {
                        incoming.under_way.pop_front();
                    }
                    incoming.bytes -= count;
                    link.wake();
                    return Poll::Ready(Ok(()));
                }
                Some((at, _)) => Some((*at).max(open_at)),
            };
            link.waiting.push(context.waker().clone());
            arrives
        };
        self.arrival = arrives.map(|at| Box::pin(sleep_until(at)));
        if let Some(arrival) = &mut self.arrival
            && arrival.as_mut().poll(context).is_ready()
        {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl AsyncWrite for SimulatedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut link = self.link.lock();
        let delay = link.routes.delay();
        let broken = link.broken;
        let outgoing = &mut link.directions[self.side];
        if outgoing.unread || broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = UNDER_WAY - outgoing.bytes;
        if room == 0 {
            link.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        let until_it_breaks = usize::try_from(outgoing.breaks_at - outgoing.written).unwrap_or(usize::MAX);
        let count = buf.len().min(room).min(until_it_breaks.max(1));
        let last = outgoing.under_way.back().map_or_else(Instant::now, |(at, _)| *at);
        outgoing.under_way.push_back(((Instant::now() + delay).max(last), buf[..count].to_vec()));
        outgoing.bytes += count;
        outgoing.written += count as u64;
        if outgoing.written >= outgoing.breaks_at {
            link.broken = true;
        }
        link.wake();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut link = self.link.lock();
        link.directions[self.side].closed = true;
        link.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimulatedStream {
    fn drop(&mut self) {
        let mut link = self.link.lock();
        link.directions[self.side].closed = true;
        link.directions[1 - self.side].unread = true;
        link.wake();
    }
}

/// A pause up to `most`, mostly a short one.
pub(super) fn short(random: u64, most: Duration) -> Duration {
    let part = f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    most.mul_f64(part * part * part)
}
