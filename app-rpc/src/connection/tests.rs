//! Two ends of a connection on paused time, with only memory between them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use capnp::capability::{Client, FromClientHook};
use capnp::message::{Builder, HeapAllocator, Reader};
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_capnp::{call, message, return_};
use capnp_rpc::rpc_twoparty_capnp::Side;
use quota_schema::quota_capnp::quota;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::*;
use crate::Limits;
use crate::framing::{Decoder, Segments, encode};

mod ends;
mod memory;
mod policy;
mod random;
mod refusals;

/// The state that handlers share with the test.
#[derive(Default)]
struct Waiting {
    waiting: Cell<usize>,
    go_on: Notify,
}

struct Here(Rc<Waiting>);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

/// With the rule `wait` a call waits until the test lets it continue.
struct Server(Rc<Waiting>);

impl quota::Server for Server {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        let state = Rc::clone(&self.0);
        state.waiting.set(state.waiting.get() + 1);
        let _here = Here(Rc::clone(&state));
        if params.get()?.get_rule()?.to_str()? == "wait" {
            state.go_on.notified().await;
        }
        results.get().set_remaining(params.get()?.get_permits());
        Ok(())
    }
}

type Ended = Rc<RefCell<Option<Result<(), capnp::Error>>>>;

/// A server, and the reason of its end.
struct Served {
    state: Rc<Waiting>,
    control: Rc<Control>,
    ended: Ended,
}

impl Served {
    fn new(stream: DuplexStream, limits: Limits, memory: Memory) -> Self {
        let state = Rc::<Waiting>::default();
        let bootstrap: quota::Client = capnp_rpc::new_client(Server(Rc::clone(&state)));
        let control = Rc::new(Control::new(limits, memory));
        let network = TwoPartyNetwork::new(stream, Side::Server, Rc::clone(&control));
        let bootstrap = Client::new(bootstrap.into_client_hook());
        let ended = drive(RpcSystem::new(Box::new(network), Some(bootstrap)));
        Self { state, control, ended }
    }

    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }
}

fn drive(rpc: RpcSystem<Side>) -> Ended {
    let ended = Ended::default();
    let shown = Rc::clone(&ended);
    spawn_local(async move {
        let result = rpc.await;
        *shown.borrow_mut() = Some(result);
    });
    ended
}

/// A server and a capnp-rpc client.
struct Pair {
    server: Served,
    client: Rc<Control>,
    quota: quota::Client,
}

fn pair(limits: Limits) -> Pair {
    let (here, there) = tokio::io::duplex(64 * 1024);
    let server = Served::new(there, limits, Memory::new(limits.memory_bytes));
    let client = Limits { capabilities: 16, ..Limits::default() };
    let client = Rc::new(Control::new(client, Memory::new(1 << 25)));
    let network = TwoPartyNetwork::new(here, Side::Client, Rc::clone(&client));
    let mut rpc = RpcSystem::new(Box::new(network), None);
    let quota = rpc.bootstrap(Side::Server);
    drive(rpc);
    Pair { server, client, quota }
}

fn request(
    quota: &quota::Client,
    rule: &str,
    permits: u32,
) -> impl Future<Output = Result<u32, capnp::Error>> + use<> {
    let mut request = quota.acquire_request();
    request.get().set_rule(rule);
    request.get().set_permits(permits);
    let answer = request.send().promise;
    async move { Ok(answer.await?.get()?.get_remaining()) }
}

/// Lets all ready tasks run.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A peer that writes its own messages.
struct Peer {
    stream: DuplexStream,
    decoder: Decoder,
    rest: Vec<u8>,
}

impl Peer {
    fn of(limits: Limits) -> (Served, Self) {
        Self::within(limits, Memory::new(limits.memory_bytes))
    }

    fn within(limits: Limits, memory: Memory) -> (Served, Self) {
        let (here, there) = tokio::io::duplex(64 * 1024);
        (
            Served::new(there, limits, memory),
            Self { stream: here, decoder: Decoder::new(1 << 26), rest: Vec::new() },
        )
    }

    async fn send(&mut self, build: impl FnOnce(message::Builder<'_>)) -> std::io::Result<()> {
        let mut built = Builder::<HeapAllocator>::new_default();
        build(built.init_root());
        let mut bytes = Vec::new();
        encode(&built.get_segments_for_output(), &mut bytes);
        self.stream.write_all(&bytes).await
    }

    /// Calls `acquire` on the future answer of another question.
    async fn call(&mut self, question: u32, rests_on: u32, rule: &str) -> std::io::Result<()> {
        self.send(|message| {
            let mut call = acquire(message, question, rests_on);
            call.reborrow()
                .get_params()
                .unwrap()
                .get_content()
                .init_as::<quota::acquire_params::Builder<'_>>()
                .set_rule(rule);
        })
        .await
    }

    /// The next message. `None` when the server has closed.
    async fn next(&mut self) -> Option<Reader<Segments>> {
        loop {
            let mut input = &self.rest[..];
            let decoded = self.decoder.decode(&mut input).unwrap();
            self.rest = input.to_vec();
            if let Some(segments) = decoded {
                return Some(Reader::new(segments, Limits::default().reader_options()));
            }
            let mut chunk = vec![0; 65536];
            let count =
                timeout(Duration::from_secs(3600), self.stream.read(&mut chunk)).await.unwrap().unwrap();
            if count == 0 {
                return None;
            }
            self.rest.extend_from_slice(&chunk[..count]);
        }
    }

    /// The last message of the server before it closes.
    async fn last_words(&mut self) -> Option<String> {
        while let Some(message) = self.next().await {
            if let Ok(message::Abort(abort)) = message.get_root::<message::Reader<'_>>().unwrap().which() {
                return Some(abort.unwrap().get_reason().unwrap().to_string().unwrap());
            }
        }
        None
    }
}

/// A call of `acquire` without content.
fn acquire(message: message::Builder<'_>, question: u32, rests_on: u32) -> call::Builder<'_> {
    let mut call = message.init_call();
    call.set_question_id(question);
    call.set_interface_id(<quota::Client as capnp::traits::HasTypeId>::TYPE_ID);
    call.reborrow().init_target().init_promised_answer().set_question_id(rests_on);
    call
}

/// The answered question, and the reason if the answer is an exception.
fn answer(message: &Reader<Segments>) -> Option<(u32, Option<String>)> {
    let message::Return(answer) = message.get_root::<message::Reader<'_>>().unwrap().which().unwrap() else {
        return None;
    };
    let answer = answer.unwrap();
    let reason = match answer.which().unwrap() {
        return_::Exception(exception) => Some(exception.unwrap().get_reason().unwrap().to_string().unwrap()),
        _ => None,
    };
    Some((answer.get_answer_id(), reason))
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_and_leaves_nothing_behind() {
    let test = async {
        let pair = pair(Limits::default());
        for permits in 0..100 {
            assert_eq!(request(&pair.quota, "echo", permits).await.unwrap(), permits);
        }
        settle().await;
        assert_eq!(pair.server.control.running(), 0);
        // The bootstrap capability, which the client still holds.
        assert_eq!(pair.server.control.in_flight(), 1);
        assert_eq!(pair.server.control.queued(), 0);
        assert_eq!(pair.server.control.held_memory(), 0);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_cancelled_leave_nothing_behind() {
    let test = async {
        let pair = pair(Limits { calls: 64, ..Limits::default() });
        request(&pair.quota, "echo", 1).await.unwrap();
        for _ in 0..100 {
            let calls: Vec<_> = (0..50).map(|permits| request(&pair.quota, "wait", permits)).collect();
            settle().await;
            assert_eq!(pair.server.state.waiting.get(), 50);
            drop(calls);
            settle().await;
            assert_eq!(pair.server.state.waiting.get(), 0);
        }
        assert_eq!((pair.server.control.running(), pair.server.control.in_flight()), (0, 1));
        assert_eq!(pair.server.control.refusals(), 0);
    };
    LocalSet::new().run_until(test).await;
}
