//! A client that sends anything to a whole server connection, and the properties that must hold.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use capnp::capability::{Client, FromClientHook};
use capnp::message::{Builder, HeapAllocator};
use capnp::traits::HasTypeId;
use capnp_rpc::rpc_capnp::{cap_descriptor, message, message_target};
use quota_schema::quota_capnp::quota;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, timeout};

use crate::connection::{Control, Memory, System, run};
use crate::extra;
use crate::{End, Limits};

/// Handlers that exist.
#[derive(Default)]
struct Handlers {
    there: Cell<usize>,
    most: Cell<usize>,
    go_on: Notify,
}

struct Here(Rc<Handlers>);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.there.set(self.0.there.get() - 1);
    }
}

/// Answers, waits or fails, by the rule of the call.
struct Server(Rc<Handlers>);

impl quota::Server for Server {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        let handlers = Rc::clone(&self.0);
        handlers.there.set(handlers.there.get() + 1);
        handlers.most.set(handlers.most.get().max(handlers.there.get()));
        let _here = Here(Rc::clone(&handlers));
        match params.get()?.get_permits() % 4 {
            0 => handlers.go_on.notified().await,
            1 => return Err(capnp::Error::failed("on purpose".to_owned())),
            _ => results.get().set_granted(true),
        }
        Ok(())
    }
}

/// Decodes an input. After its end all bytes are 0.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A small number, so that messages refer to each other. One in sixteen is large.
    fn id(&mut self) -> u32 {
        match self.next() {
            large @ 240.. => u32::from_le_bytes([self.next(), self.next(), self.next(), large]),
            small => u32::from(small % 6),
        }
    }
}

/// The limits of a server with this many calls at a time.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.calls = 8;
    limits.held_bytes = 64 << 10;
    limits.message_bytes = 64 << 10;
    limits.capabilities = 8;
    limits.queued_bytes = 128 << 10;
    limits
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time().start_paused(true).build().expect("a runtime of one thread");
}

/// Sends everything to a server, then disconnects. It must not panic, hang or leave a handler behind.
pub fn with(input: &[u8]) -> End {
    RUNTIME.with(|runtime| LocalSet::new().block_on(runtime, talk(Bytes(input), limits()))).0
}

/// The same with the default limits of a server, where a client takes as much as it can. Returns the number of bytes that it sent.
pub fn at_length(input: &[u8]) -> usize {
    let mut limits = Limits::default();
    limits.capabilities = 8;
    RUNTIME.with(|runtime| LocalSet::new().block_on(runtime, talk(Bytes(input), limits))).1
}

async fn talk(mut bytes: Bytes<'_>, limits: Limits) -> (End, usize) {
    let (mut here, there) = tokio::io::duplex(16 << 10);
    let handlers = Rc::<Handlers>::default();
    let bootstrap: quota::Client = capnp_rpc::new_client(Server(Rc::clone(&handlers)));
    let memory = Memory::new(limits.peer_memory_bytes);
    let control = Rc::new(Control::new(limits, memory.clone()));
    let sent = Cell::new(0);
    let system = System::server(there, Some(Client::new(bootstrap.into_client_hook())), &control);
    let ended = spawn_local(run(system));
    while !bytes.0.is_empty() && say(&mut bytes, &mut here, &handlers, &sent).await.is_ok() {
        assert!(control.queued() <= limits.queued_bytes, "{} bytes are queued", control.queued());
        assert!(control.running() <= limits.calls, "{} calls run", control.running());
    }
    drop(here);
    let ended = timeout(Duration::from_secs(60), ended).await.expect("it ends");
    let (end, why) = ended.expect("it does not panic");
    settle().await;
    assert!(end != End::Panicked, "{why}");
    assert_eq!(handlers.there.get(), 0, "handlers are left behind by {end}: {why}");
    assert!(handlers.most.get() <= limits.calls, "{} handlers at a time", handlers.most.get());
    assert_eq!((control.left(), memory.taken()), (0, 0), "memory is left by {end}: {why}");
    (end, sent.get())
}

/// Sends one message, or lets something happen.
async fn say(
    bytes: &mut Bytes<'_>,
    here: &mut DuplexStream,
    handlers: &Handlers,
    sent: &Cell<usize>,
) -> std::io::Result<()> {
    let mut built = Builder::<HeapAllocator>::new_default();
    match bytes.next() % 24 {
        0 => return bytes_as_they_are(bytes, here, sent).await,
        1 => {
            settle().await;
            handlers.go_on.notify_waiters();
            return Ok(());
        }
        2 => {
            let mut read = [0; 4096];
            let _ = timeout(Duration::from_millis(1), here.read(&mut read)).await;
            return Ok(());
        }
        3 => {
            tokio::time::advance(Duration::from_secs(bytes.next().into())).await;
            return Ok(());
        }
        what => message(what, bytes, built.init_root()),
    }
    let mut framed = capnp::serialize::write_message_to_words(&built);
    // Damages one word of a message, beyond what a writer of messages produces.
    match bytes.next() {
        1 => {
            let place = bytes.id() as usize * 8 % framed.len();
            framed[place] ^= bytes.next();
        }
        2 => claim(&mut framed),
        3..=8 => beside(bytes, &mut framed),
        _ => {}
    }
    // The messages of a peer that does not read are not read, so it sends no more until it reads.
    let cut = usize::from(bytes.next()) % framed.len();
    sent.set(sent.get() + framed.len());
    for part in [&framed[..cut], &framed[cut..]] {
        if timeout(Duration::from_secs(5), here.write_all(part)).await.is_err() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        yield_now().await;
    }
    Ok(())
}

/// Makes each list of one struct claim half a million elements without a size.
fn claim(framed: &mut [u8]) {
    for word in framed.chunks_exact_mut(8).skip(1) {
        // The tag with the size of a list's elements. Other words may look the same, and are damaged too.
        if word[..4] == [4, 0, 0, 0] && word[4] <= 2 && word[6] <= 2 {
            word.copy_from_slice(&(500_000_u64 << 2).to_le_bytes());
        }
    }
}

/// Adds a segment that no pointer refers to: a deadline, an error, or anything.
fn beside(bytes: &mut Bytes<'_>, framed: &mut Vec<u8>) {
    let count = framed[0];
    let table = (usize::from(count) / 2 + 1) * 8;
    let lengths: Vec<u8> = framed[4..8 + usize::from(count) * 4].to_vec();
    let mut segment = extra::MAGIC.to_le_bytes().to_vec();
    match bytes.next() % 4 {
        0 => {
            segment =
                extra::deadline_segment(Instant::now() + Duration::from_millis(bytes.id().into())).to_vec()
        }
        1 => {
            segment = extra::error_segment(&vec![bytes.next(); usize::from(bytes.next())]).unwrap_or_default()
        }
        2 => segment.extend((0..usize::from(bytes.next() % 8) * 8).map(|_| bytes.next())),
        _ => segment[0] = bytes.next(),
    }
    let mut header = vec![count + 1, 0, 0, 0];
    header.extend(lengths);
    header.extend(u32::try_from(segment.len() / 8).unwrap_or_default().to_le_bytes());
    header.resize(header.len().next_multiple_of(8), 0);
    framed.splice(..table, header);
    framed.extend(segment);
}

async fn bytes_as_they_are(
    bytes: &mut Bytes<'_>,
    here: &mut DuplexStream,
    sent: &Cell<usize>,
) -> std::io::Result<()> {
    let count = usize::from(bytes.next()).min(bytes.0.len());
    sent.set(sent.get() + count);
    let (now, rest) = bytes.0.split_at(count);
    bytes.0 = rest;
    match timeout(Duration::from_secs(5), here.write_all(now)).await {
        Ok(written) => written,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

fn message(what: u8, bytes: &mut Bytes<'_>, message: message::Builder<'_>) {
    match what {
        4 => message.init_bootstrap().set_question_id(bytes.id()),
        5..=8 => call(bytes, message),
        9..=11 => {
            let mut finish = message.init_finish();
            finish.set_question_id(bytes.id());
            finish.set_release_result_caps(bytes.next() % 2 == 0);
        }
        12 => {
            let mut release = message.init_release();
            release.set_id(bytes.id());
            release.set_reference_count(bytes.id());
        }
        13 => {
            let mut resolve = message.init_resolve();
            resolve.set_promise_id(bytes.id());
            if bytes.next() % 4 == 0 {
                resolve.init_exception().set_reason("broken");
            } else {
                capability(bytes, resolve.init_cap());
            }
        }
        14 => {
            let mut disembargo = message.init_disembargo();
            target(bytes, disembargo.reborrow().init_target());
            let mut context = disembargo.init_context();
            if bytes.next() % 2 == 0 {
                context.set_sender_loopback(bytes.id());
            } else {
                context.set_receiver_loopback(bytes.id());
            }
        }
        15 => {
            let mut answer = message.init_return();
            answer.set_answer_id(bytes.id());
            match bytes.next() % 4 {
                0 => answer.set_take_from_other_question(bytes.id()),
                1 => answer.set_canceled(()),
                2 => answer.init_exception().set_reason("no"),
                _ => capability(bytes, answer.init_results().init_cap_table(1).get(0)),
            }
        }
        16 => message.init_unimplemented().init_bootstrap().set_question_id(bytes.id()),
        17 => message.init_provide().set_question_id(bytes.id()),
        18 => message.init_abort().set_reason("e".repeat(usize::from(bytes.next()) * 64)),
        20 => message.init_join().set_question_id(bytes.id()),
        21 => drop(message.init_obsolete_save()),
        22 => drop(message.init_obsolete_delete()),
        23 => message.init_unimplemented().init_resolve().init_cap().set_sender_hosted(bytes.id()),
        _ => message.init_accept().set_question_id(bytes.id()),
    }
}

fn call(bytes: &mut Bytes<'_>, message: message::Builder<'_>) {
    let mut call = message.init_call();
    call.set_question_id(bytes.id());
    call.set_interface_id(if bytes.next() == 0 { 7 } else { quota::Client::TYPE_ID });
    call.set_method_id(u16::from(bytes.next() / 200));
    target(bytes, call.reborrow().init_target());
    match bytes.next() {
        0 => call.reborrow().get_send_results_to().set_yourself(()),
        1 => drop(call.reborrow().get_send_results_to().init_third_party()),
        _ => {}
    }
    let mut params = call.init_params();
    let capabilities = bytes.next() / 16;
    let mut table = params.reborrow().init_cap_table(capabilities.into());
    for place in 0..capabilities {
        capability(bytes, table.reborrow().get(place.into()));
    }
    let mut content = params.init_content().init_as::<quota::acquire_params::Builder<'_>>();
    content.set_permits(bytes.id());
    content.set_key("k".repeat(usize::from(bytes.next()) * 128));
}

fn target(bytes: &mut Bytes<'_>, mut target: message_target::Builder<'_>) {
    match bytes.next() % 8 {
        0 => target.set_imported_cap(bytes.id()),
        // A path into an answer, which usually leads nowhere.
        1 => {
            let mut answer = target.init_promised_answer();
            answer.set_question_id(bytes.id());
            let steps = u32::from(bytes.next() % 32);
            let mut transform = answer.init_transform(steps);
            for step in 0..steps {
                transform.reborrow().get(step).set_get_pointer_field(bytes.next().into());
            }
        }
        _ => target.init_promised_answer().set_question_id(bytes.id()),
    }
}

fn capability(bytes: &mut Bytes<'_>, mut to: cap_descriptor::Builder<'_>) {
    match bytes.next() % 5 {
        0 => to.set_sender_hosted(bytes.id()),
        1 => to.set_sender_promise(bytes.id()),
        2 => to.set_receiver_hosted(bytes.id()),
        3 => {
            let mut answer = to.init_receiver_answer();
            answer.set_question_id(bytes.id());
            answer.init_transform(u32::from(bytes.next() % 32));
        }
        _ => to.init_third_party_hosted().set_vine_id(bytes.id()),
    }
}

/// Lets all ready tasks run.
async fn settle() {
    for _ in 0..30 {
        yield_now().await;
    }
}
