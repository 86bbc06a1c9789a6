//! Handlers of an interface run with the [deadline](crate::deadline) of their call, and do not begin after it. They run in a span of
//! their own, which is a child of the caller's span.
//!
//! capnp-rpc gives the future of a handler to no one. So the capability that clients get is wrapped. The wrapper passes everything on,
//! and gives the future of a call its deadline and its span.

use std::net::SocketAddr;

use capnp::capability::{Client, Promise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::{Error, MessageSize, any_pointer};
use tokio::time::Instant;

use crate::connection::too_late;
use crate::extra::{CallExtra, read_by, with_deadline, within_deadline};
use crate::spans;

/// The capability for the client at this address. Its handlers have the deadlines and the spans of their calls.
pub(crate) fn served(capability: Client, client: SocketAddr) -> Client {
    Client::new(Box::new(Served(capability.hook, client)))
}

struct Served(Box<dyn ClientHook>, SocketAddr);

impl ClientHook for Served {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self(self.0.add_ref(), self.1))
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        size: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        self.0.new_call(interface, method, size)
    }

    fn call(
        &self,
        interface: u64,
        method: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        // Reading the parameters tells which message they are in. A malformed message is the handler's to notice.
        let CallExtra { deadline, caller } = read_by(|| drop(params.get()));
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Promise::err(too_late());
        }
        let begin = || self.0.call(interface, method, params, results);
        spans::server_call((interface, method), self.1, caller, || match deadline {
            Some(deadline) => {
                let handler = within_deadline(deadline, begin);
                Promise::from_future(with_deadline(deadline, handler))
            }
            None => begin(),
        })
    }

    fn get_brand(&self) -> usize {
        self.0.get_brand()
    }

    fn get_ptr(&self) -> usize {
        self.0.get_ptr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        self.0.get_resolved()
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        self.0.when_more_resolved()
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        self.0.when_resolved()
    }
}
