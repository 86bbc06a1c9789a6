//! The call that an interface builds, taken before it is sent.
//!
//! An interface of capnp builds a request for one capability. Here that capability is a server in this process, which keeps the call
//! instead of executing it. This needs nothing but the public API of capnp and capnp-rpc.

use std::cell::Cell;
use std::ops::Deref;
use std::rc::Rc;

use capnp::any_pointer;
use capnp::capability::{
    self, Client, DispatchCallResult, FromClientHook, FromServer, FromTypelessPipeline, Params, Request,
    Results,
};
use capnp::message::{Builder, HeapAllocator};
use capnp::traits::{Owned, Pipelined};
use capnp_rpc::rpc_capnp::{call, message};
use futures_util::FutureExt;

/// Words of a call message beside its parameters: root pointer, `Message`, `Call`, `MessageTarget` and `Payload`.
const CALL_WORDS: u64 = 16;

/// A message with a call. Its question id and its target are still missing.
pub(super) type CallMessage = Builder<HeapAllocator>;

/// Builds a request and returns its call message. Nothing is sent.
///
/// Returns `None` if the parameters contain capabilities, or if the request is not for the given interface itself, such as a request
/// for a capability in the results of another call.
pub(super) fn capture<C, P, R>(build: &impl Fn(&C) -> Request<P, R>) -> Option<CallMessage>
where
    C: FromClientHook,
    P: Owned,
    R: Owned + Pipelined + Unpin + 'static,
    R::Pipeline: FromTypelessPipeline,
{
    let captured = Rc::<Cell<_>>::default();
    let local: Client = capnp_rpc::new_client(Capture(Rc::clone(&captured)));
    let request = build(&C::new(local.hook));
    // The first poll calls the local server, which answers at once. A request for a capability in a result of the local server fails:
    // its results are empty. Then what was captured is another call than `request`.
    request.send().promise.now_or_never()?.ok()?;
    captured.take()
}

/// The call in a call message.
pub(super) fn call_of(message: &mut CallMessage) -> capnp::Result<call::Builder<'_>> {
    match message.get_root::<message::Builder<'_>>()?.which()? {
        message::Call(call) => call,
        _ => Err(capnp::Error::failed("a message that is not a call".to_owned())),
    }
}

/// Keeps the last call.
struct Capture(Rc<Cell<Option<CallMessage>>>);

#[derive(Clone)]
struct CaptureDispatch(Rc<Capture>);

impl Deref for CaptureDispatch {
    type Target = Capture;

    fn deref(&self) -> &Capture {
        &self.0
    }
}

impl FromServer<Capture> for Client {
    type Dispatch = CaptureDispatch;

    fn from_server(server: Rc<Capture>) -> CaptureDispatch {
        CaptureDispatch(server)
    }
}

impl capability::Server for CaptureDispatch {
    fn dispatch_call(
        self,
        interface: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        _: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        let built = call_message(interface, method, &params).map(|message| self.0.0.set(Some(message)));
        DispatchCallResult::new(built.into(), false)
    }

    fn as_ptr(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }
}

fn call_message(
    interface: u64,
    method: u16,
    params: &Params<any_pointer::Owned>,
) -> capnp::Result<CallMessage> {
    let params = params.get()?;
    let size = params.target_size()?;
    if size.cap_count > 0 {
        return Err(capnp::Error::unimplemented("parameters with capabilities".to_owned()));
    }
    let words = u32::try_from(size.word_count + CALL_WORDS).unwrap_or(u32::MAX);
    let mut built = Builder::new(HeapAllocator::new().first_segment_words(words));
    let mut call = built.init_root::<message::Builder<'_>>().init_call();
    call.set_interface_id(interface);
    call.set_method_id(method);
    call.init_params().get_content().set_as(params)?;
    Ok(built)
}

#[cfg(test)]
mod tests;
