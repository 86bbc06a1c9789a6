//! Streams of a simulated network: what is written arrives later, in order, in pieces, or not at all.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::network::Weather;

/// Bytes that may be on the way in one direction.
const ON_THE_WAY: usize = 64 * 1024;

/// One direction.
struct Wire {
    on_the_way: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    /// Written ever, and after how many it breaks.
    written: u64,
    breaks_at: u64,
    /// The end that writes has closed, and that which reads is gone.
    closed: bool,
    gone: bool,
}

/// Both directions, and who waits for them.
pub(super) struct Link {
    wires: [Wire; 2],
    broken: bool,
    waiting: Vec<Waker>,
    weather: Rc<Weather>,
    route: usize,
}

impl Link {
    /// It is reset: what is on the way is lost.
    pub(super) fn break_down(&mut self) {
        self.broken = true;
        self.wake();
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// One end of a connection.
pub(crate) struct Stream {
    link: Rc<RefCell<Link>>,
    side: usize,
    later: Option<Pin<Box<Sleep>>>,
}

/// Both ends of a connection that breaks by itself after so many bytes of either direction, and what breaks it before.
pub(super) fn pair(
    weather: &Rc<Weather>,
    route: usize,
    breaks_at: [u64; 2],
) -> (Stream, Stream, Weak<RefCell<Link>>) {
    let wires = breaks_at.map(|breaks_at| Wire {
        on_the_way: VecDeque::new(),
        bytes: 0,
        written: 0,
        breaks_at,
        closed: false,
        gone: false,
    });
    let link = Link { wires, broken: false, waiting: Vec::new(), weather: Rc::clone(weather), route };
    let link = Rc::new(RefCell::new(link));
    let end = |side| Stream { link: Rc::clone(&link), side, later: None };
    (end(0), end(1), Rc::downgrade(&link))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let arrives = {
            let mut link = self.link.borrow_mut();
            if link.broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let weather = link.weather.heals(link.route, Instant::now());
            let other = 1 - self.side;
            let wire = &mut link.wires[other];
            match wire.on_the_way.front_mut() {
                None if wire.closed => return Poll::Ready(Ok(())),
                None => None,
                Some((at, bytes)) if (*at).max(weather) <= Instant::now() => {
                    let count = bytes.len().min(buf.remaining());
                    buf.put_slice(&bytes[..count]);
                    bytes.drain(..count);
                    if bytes.is_empty() {
                        wire.on_the_way.pop_front();
                    }
                    wire.bytes -= count;
                    link.wake();
                    return Poll::Ready(Ok(()));
                }
                Some((at, _)) => Some((*at).max(weather)),
            }
        };
        self.link.borrow_mut().waiting.push(context.waker().clone());
        let later = arrives.map(|at| Box::pin(sleep_until(at)));
        self.later = later;
        if let Some(later) = &mut self.later
            && later.as_mut().poll(context).is_ready()
        {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut link = self.link.borrow_mut();
        let delay = link.weather.delay();
        let wire = &mut link.wires[self.side];
        if wire.gone || link.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let wire = &mut link.wires[self.side];
        let room = ON_THE_WAY - wire.bytes;
        if room == 0 {
            link.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        let until_it_breaks = usize::try_from(wire.breaks_at - wire.written).unwrap_or(usize::MAX);
        let count = buf.len().min(room).min(until_it_breaks.max(1));
        let last = wire.on_the_way.back().map_or_else(Instant::now, |(at, _)| *at);
        wire.on_the_way.push_back(((Instant::now() + delay).max(last), buf[..count].to_vec()));
        wire.bytes += count;
        wire.written += count as u64;
        if wire.written >= wire.breaks_at {
            link.broken = true;
        }
        link.wake();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut link = self.link.borrow_mut();
        link.wires[self.side].closed = true;
        link.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut link = self.link.borrow_mut();
        link.wires[self.side].closed = true;
        link.wires[1 - self.side].gone = true;
        link.wake();
    }
}

/// A pause of no more than this, mostly short.
pub(super) fn short(random: u64, most: Duration) -> Duration {
    let part = f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    most.mul_f64(part * part * part)
}
