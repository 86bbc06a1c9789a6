//! Handlers of an interface run with the [deadline](crate::deadline) of their call, and do not begin after it.
//!
//! capnp-rpc gives the future of a handler to no one. So the capability that clients get is wrapped. The wrapper passes everything on,
//! and gives the future of a call its deadline.

use capnp::capability::{Client, Promise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::{Error, MessageSize, any_pointer};
use tokio::time::Instant;

use crate::connection::too_late;
use crate::extra::{deadline_read_by, with_deadline, within_deadline};

/// The capability, whose handlers have the deadlines of their calls.
pub(crate) fn with_deadlines(capability: Client) -> Client {
    Client::new(Box::new(WithDeadlines(capability.hook)))
}

struct WithDeadlines(Box<dyn ClientHook>);

impl ClientHook for WithDeadlines {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self(self.0.add_ref()))
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
        let deadline = deadline_read_by(|| drop(params.get()));
        let Some(deadline) = deadline else { return self.0.call(interface, method, params, results) };
        if deadline <= Instant::now() {
            return Promise::err(too_late());
        }
        let handler = within_deadline(deadline, || self.0.call(interface, method, params, results));
        Promise::from_future(with_deadline(deadline, handler))
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
