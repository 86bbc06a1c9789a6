//! The network layer under capnp-rpc: two parties with one stream between them.

use std::cell::RefCell;
use std::rc::Rc;

use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator};
use capnp_rpc::rpc_twoparty_capnp::Side;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::control::Control;
use super::input::{Incoming, Input};
use super::output;

/// Words of the first segment of a message. Most messages need no other.
const FIRST_WORDS: u32 = 128;

/// The reading side. A read in progress takes it, and puts it back.
type SharedInput<S> = Rc<RefCell<Option<Input<S>>>>;

/// The stream, until it is closed.
pub(super) type SharedStream<S> = Rc<RefCell<Option<S>>>;

/// Closes the stream of a network when this is dropped. Without an orderly end, parts of capnp-rpc may refer to each other and stay
/// for ever. They must not keep a socket.
pub(crate) struct StreamCloser<S>(SharedStream<S>);

impl<S> Drop for StreamCloser<S> {
    fn drop(&mut self) {
        drop(self.0.borrow_mut().take());
    }
}

/// One stream with a peer at its other end.
pub(crate) struct TwoPartyNetwork<S> {
    side: Side,
    stream: SharedStream<S>,
    input: SharedInput<S>,
    control: Rc<Control>,
    driver: Option<Promise<(), capnp::Error>>,
    /// Whether the only connection was accepted.
    accepted: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> TwoPartyNetwork<S> {
    pub(crate) fn new(stream: S, side: Side, control: Rc<Control>) -> Self {
        let stream = Rc::new(RefCell::new(Some(stream)));
        let input = Input::new(Rc::clone(&stream), Rc::clone(&control));
        let driver = Promise::from_future(output::drive(Rc::clone(&stream), Rc::clone(&control)));
        Self {
            side,
            stream,
            input: Rc::new(RefCell::new(Some(input))),
            control,
            driver: Some(driver),
            accepted: false,
        }
    }

    /// A guard that closes the stream.
    pub(crate) fn closer(&self) -> StreamCloser<S> {
        StreamCloser(Rc::clone(&self.stream))
    }

    fn connection(&self) -> Box<dyn capnp_rpc::Connection<Side>> {
        let (input, control) = (Rc::clone(&self.input), Rc::clone(&self.control));
        Box::new(NetworkConnection { input, control, side: self.side })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> capnp_rpc::VatNetwork<Side> for TwoPartyNetwork<S> {
    fn connect(&mut self, host: Side) -> Option<Box<dyn capnp_rpc::Connection<Side>>> {
        (host != self.side).then(|| self.connection())
    }

    fn accept(&mut self) -> Promise<Box<dyn capnp_rpc::Connection<Side>>, capnp::Error> {
        if std::mem::replace(&mut self.accepted, true) {
            return Promise::from_future(std::future::pending());
        }
        Promise::ok(self.connection())
    }

    fn drive_until_shutdown(&mut self) -> Promise<(), capnp::Error> {
        self.driver.take().unwrap_or_else(|| Promise::from_future(std::future::pending()))
    }
}

struct NetworkConnection<S> {
    input: SharedInput<S>,
    control: Rc<Control>,
    side: Side,
}

impl<S: AsyncRead + Unpin + 'static> capnp_rpc::Connection<Side> for NetworkConnection<S> {
    fn get_peer_vat_id(&self) -> Side {
        match self.side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    fn new_outgoing_message(&mut self, first_segment_words: u32) -> Box<dyn capnp_rpc::OutgoingMessage> {
        // capnp-rpc asks for 8 KiB for each call, and clearing them takes time.
        let allocator = HeapAllocator::new().first_segment_words(first_segment_words.min(FIRST_WORDS));
        let control = Rc::clone(&self.control);
        Box::new(Outgoing { message: Builder::new(allocator), control })
    }

    fn receive_incoming_message(
        &mut self,
    ) -> Promise<Option<Box<dyn capnp_rpc::IncomingMessage + 'static>>, capnp::Error> {
        let shared = Rc::clone(&self.input);
        Promise::from_future(async move {
            let taken = shared.borrow_mut().take();
            let Some(mut input) = taken else {
                return Err(capnp::Error::failed("two readers of one connection".to_owned()));
            };
            let message = input.next().await?;
            *shared.borrow_mut() = Some(input);
            Ok(message.map(|message: Incoming| Box::new(message) as Box<dyn capnp_rpc::IncomingMessage>))
        })
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), capnp::Error> {
        let ended = self.control.end_output(result);
        Promise::from_future(
            ended.map(|ended| {
                ended.map_err(|_| capnp::Error::disconnected("the connection is over".to_owned()))
            }),
        )
    }
}

/// A message that is being written.
struct Outgoing {
    message: Builder<HeapAllocator>,
    control: Rc<Control>,
}

impl capnp_rpc::OutgoingMessage for Outgoing {
    fn get_body(&mut self) -> capnp::Result<capnp::any_pointer::Builder<'_>> {
        self.message.get_root()
    }

    fn get_body_as_reader(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.message.get_root_as_reader()
    }

    fn send(self: Box<Self>) -> (Promise<(), capnp::Error>, Rc<Builder<HeapAllocator>>) {
        let Self { message, control } = *self;
        let sent = control.send(&message);
        if let Err(error) = &sent {
            control.close(super::End::Protocol, error.clone());
        }
        (Promise::from_future(std::future::ready(sent)), Rc::new(message))
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.message
    }

    fn size_in_words(&self) -> usize {
        self.message.size_in_words()
    }
}
