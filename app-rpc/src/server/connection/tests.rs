//! Connections that have to end, on paused time: running calls may end, and the peer learns which calls were not executed.

use app_tls::RevokedSet;
use capnp::capability::FromClientHook;
use capnp_rpc::rpc_capnp::message;
use quota_schema::quota_capnp::quota;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::*;
use crate::Limits;
use crate::connection::{Memory, NOT_EXECUTED};

struct Waits(Rc<Notify>);

impl quota::Server for Waits {
    async fn acquire(
        self: Rc<Self>,
        _: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        self.0.notified().await;
        results.get().set_granted(true);
        Ok(())
    }
}

struct Served {
    go_on: Rc<Notify>,
    stop: CancellationToken,
    ended: JoinHandle<(End, String)>,
}

const AGE: Duration = Duration::from_secs(3600);

fn served(stream: DuplexStream, limits: Limits) -> Served {
    served_until(stream, limits, clock::now() + AGE * 24 * 365)
}

/// The same for a client with a certificate that expires at this time.
fn served_until(stream: DuplexStream, limits: Limits, valid_until: SystemTime) -> Served {
    let (go_on, stop) = (Rc::new(Notify::new()), CancellationToken::new());
    let client: quota::Client = capnp_rpc::new_client(Waits(Rc::clone(&go_on)));
    let (client, stopped) = (capability::Client::new(client.into_client_hook()), stop.clone());
    let control = Rc::new(Control::new(limits, Memory::new(limits.memory_bytes)));
    let (revoked, listed) = watch::channel(RevokedSet::default());
    let ended = spawn_local(async move {
        // The sender lives as long as the server.
        let _revoked = revoked;
        let revocation = RevocationWatch::new(&[], listed);
        serve(
            stream,
            client,
            &control,
            Bounds {
                age: AGE,
                valid_until,
                revocation,
                stop: &stopped,
                generations: &Generations::default(),
            },
        )
        .await
    });
    Served { go_on, stop, ended }
}

fn client(stream: DuplexStream) -> quota::Client {
    let limits = Limits { capabilities: 16, ..Limits::default() };
    let (system, client) = System::client(stream, &Rc::new(Control::new(limits, Memory::new(1 << 25))));
    spawn_local(connection::run(system));
    quota::Client::new(client.hook)
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_may_end_and_what_comes_is_refused() {
    let test = async {
        let (here, there) = tokio::io::duplex(4096);
        let served = served(there, Limits::default());
        let quota = client(here);
        let running = spawn_local(quota.acquire_request().send().promise);
        settle().await;
        served.stop.cancel();
        settle().await;
        let refused = quota.acquire_request().send().promise.await.err().unwrap();
        assert_eq!(refused.extra, format!("remote exception: {NOT_EXECUTED}the server stops"));
        assert_eq!(refused.kind, capnp::ErrorKind::Disconnected);
        served.go_on.notify_waiters();
        assert!(running.await.unwrap().unwrap().get().unwrap().get_granted());
        assert_eq!(served.ended.await.unwrap().0, End::Stopping);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_cancelled_and_may_have_been_executed() {
    let test = async {
        let (here, there) = tokio::io::duplex(4096);
        let limits = Limits::default();
        let served = served(there, limits);
        let quota = client(here);
        let running = spawn_local(quota.acquire_request().send().promise);
        settle().await;
        let before = tokio::time::Instant::now();
        served.stop.cancel();
        let failed = running.await.unwrap().err().unwrap();
        assert_eq!(failed.extra, "remote exception: the server stops; the call was cancelled");
        assert!(before.elapsed() >= limits.drain && before.elapsed() < limits.drain + Duration::from_secs(1));
        assert_eq!(served.ended.await.unwrap().0, End::Stopping);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_crosses_the_end_of_its_connection_was_not_executed_and_its_caller_knows() {
    let test = async {
        let (mut here, there) = tokio::io::duplex(4096);
        let served = served(there, Limits::default());
        settle().await;
        // No call runs, so the connection ends at once. The question comes too late to be read.
        served.stop.cancel();
        let mut question = capnp::message::Builder::new_default();
        question.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(7);
        here.write_all(&capnp::serialize::write_message_to_words(&question)).await.unwrap();
        let mut said = Vec::new();
        here.read_to_end(&mut said).await.unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains(&format!("{NOT_EXECUTED}the server stops")), "{said}");
        drop(here);
        assert_eq!(served.ended.await.unwrap().0, End::Stopping);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn connections_end_when_they_are_too_old_or_idle_and_not_while_a_call_runs() {
    let test = async {
        let (here, there) = tokio::io::duplex(4096);
        let idle = Limits { idle: Duration::from_secs(60), ..Limits::default() };
        let served_one = served(there, idle);
        let began = tokio::time::Instant::now();
        let _here = here;
        assert_eq!(served_one.ended.await.unwrap().0, End::Idle);
        assert!(began.elapsed() < Duration::from_secs(70));
        let (here, there) = tokio::io::duplex(4096);
        let served_two = served(there, idle);
        let quota = client(here);
        let running = spawn_local(quota.acquire_request().send().promise);
        let began = tokio::time::Instant::now();
        assert_eq!(served_two.ended.await.unwrap().0, End::TooOld);
        assert!(began.elapsed() >= AGE);
        assert!(running.await.unwrap().is_err());
    };
    LocalSet::new().run_until(test).await;
}

/// capnp-rpc keeps memory for every cancelled call.
#[tokio::test(start_paused = true)]
async fn a_client_that_cancels_without_end_has_to_make_another_connection() {
    let test = async {
        let (here, there) = tokio::io::duplex(1 << 16);
        let served = served(there, Limits::default());
        let (mut read, mut write) = tokio::io::split(here);
        let said = spawn_local(async move {
            let mut said = Vec::new();
            read.read_to_end(&mut said).await.unwrap();
            said
        });
        let framed = |say: &dyn Fn(message::Builder<'_>)| {
            let mut built = capnp::message::Builder::new_default();
            say(built.init_root());
            capnp::serialize::write_message_to_words(&built)
        };
        for question in (0..4_200).step_by(2) {
            let said = [
                framed(&|message| message.init_bootstrap().set_question_id(question)),
                framed(&|message| {
                    let mut call = message.init_call();
                    call.set_question_id(question + 1);
                    call.set_interface_id(<quota::Client as capnp::traits::HasTypeId>::TYPE_ID);
                    call.init_target().init_promised_answer().set_question_id(question);
                }),
                framed(&|message| message.init_finish().set_question_id(question + 1)),
                framed(&|message| message.init_finish().set_question_id(question)),
            ];
            let all = said.concat();
            write.write_all(&all).await.unwrap();
        }
        // The other side gives the reason, and closes.
        let said = said.await.unwrap();
        drop(write);
        assert_eq!(served.ended.await.unwrap().0, End::TooOld);
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            said.contains(&format!("{NOT_EXECUTED}the connection is worn out, make a new one")),
            "{said}"
        );
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_clients_certificate() {
    let test = async {
        let (here, there) = tokio::io::duplex(4096);
        let valid = Duration::from_secs(1800);
        let served = served_until(there, Limits::default(), clock::now() + valid);
        let quota = client(here);
        let began = tokio::time::Instant::now();
        let running = spawn_local(quota.acquire_request().send().promise);
        tokio::time::sleep(valid - Duration::from_secs(5)).await;
        assert!(!served.ended.is_finished());
        tokio::time::sleep(Duration::from_secs(6)).await;
        // Running calls may end. New calls are refused, and trying them again is safe.
        let refused = quota.acquire_request().send().promise.await.err().unwrap();
        let expected = format!("remote exception: {NOT_EXECUTED}the client's certificate has expired");
        assert_eq!(refused.extra, expected);
        served.go_on.notify_waiters();
        assert!(running.await.unwrap().is_ok());
        assert_eq!(served.ended.await.unwrap().0, End::Expired);
        assert!(began.elapsed() < valid + Duration::from_secs(10));
    };
    LocalSet::new().run_until(test).await;
}
