//! A call, as the code of an interface builds it, taken before it is sent.

use std::cell::Cell;
use std::rc::Rc;

use capnp::any_pointer;
use capnp::capability::{FromClientHook, Promise, RemotePromise, Request};
use capnp::message::{Builder, HeapAllocator};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::traits::ImbueMut;
use capnp_rpc::rpc_capnp::{call, message};

/// Words of a first segment: most calls fit, and it has to be cleared.
const WORDS: u32 = 64;

/// A message that is a call, but for its number and its target.
pub(super) type Call = Builder<HeapAllocator>;

/// What `ask` asks of an interface; `None` if that is none of this interface, or takes capabilities along.
pub(in crate::client) fn capture<C, P, R>(ask: &impl Fn(&C) -> Request<P, R>) -> Option<Call>
where
    C: FromClientHook,
{
    let taken = Rc::<Cell<Option<Call>>>::default();
    let interface = C::new(Box::new(Nobody(Rc::clone(&taken))));
    // Ours gives the message away. Another one is dropped, and nothing was sent.
    let _ = ask(&interface).hook.tail_send();
    taken.take()
}

/// The parts of a call.
pub(super) fn parts(call: &mut Call) -> capnp::Result<call::Builder<'_>> {
    match call.get_root::<message::Builder<'_>>()?.which()? {
        message::Call(call) => call,
        _ => Err(capnp::Error::failed("not a call".to_owned())),
    }
}

/// An interface that is nobody's: what is asked of it is taken.
struct Nobody(Rc<Cell<Option<Call>>>);

struct Taking {
    call: Call,
    capabilities: Vec<Option<Box<dyn ClientHook>>>,
    taken: Rc<Cell<Option<Call>>>,
}

fn nobody() -> capnp::Error {
    capnp::Error::unimplemented("this call can only be asked for".to_owned())
}

impl ClientHook for Nobody {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self(Rc::clone(&self.0)))
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        _: Option<capnp::MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        let mut built = Builder::new(HeapAllocator::new().first_segment_words(WORDS));
        let mut call = built.init_root::<message::Builder<'_>>().init_call();
        call.set_interface_id(interface);
        call.set_method_id(method);
        let taking = Taking { call: built, capabilities: Vec::new(), taken: Rc::clone(&self.0) };
        Request::new(Box::new(taking))
    }

    fn call(
        &self,
        _: u64,
        _: u16,
        _: Box<dyn ParamsHook>,
        _: Box<dyn ResultsHook>,
    ) -> Promise<(), capnp::Error> {
        Promise::err(nobody())
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn get_ptr(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, capnp::Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), capnp::Error> {
        Promise::ok(())
    }
}

impl RequestHook for Taking {
    #[expect(clippy::expect_used, reason = "it was made a call when it was made")]
    fn get(&mut self) -> any_pointer::Builder<'_> {
        let mut content =
            parts(&mut self.call).and_then(call::Builder::get_params).expect("a call").get_content();
        content.imbue_mut(&mut self.capabilities);
        content
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let pipeline = any_pointer::Pipeline::new(Box::new(Nobody(Rc::clone(&self.taken))));
        RemotePromise { promise: Promise::err(nobody()), pipeline }
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), capnp::Error> {
        Promise::err(nobody())
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), capnp::Error>, Box<dyn PipelineHook>)> {
        if self.capabilities.is_empty() {
            self.taken.set(Some(self.call));
        }
        None
    }
}

impl PipelineHook for Nobody {
    fn add_ref(&self) -> Box<dyn PipelineHook> {
        Box::new(Self(Rc::clone(&self.0)))
    }

    fn get_pipelined_cap(&self, _: &[capnp::private::capability::PipelineOp]) -> Box<dyn ClientHook> {
        ClientHook::add_ref(self)
    }
}
