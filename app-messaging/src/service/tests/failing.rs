//! On real servers: handlers that fail, and streams that are deleted while everything runs.

use std::collections::BTreeMap;

use super::servers::{PATIENCE, app, to, until};
use super::*;
use crate::Retry;
use crate::suite::servers::NatsProgram;
use crate::wire::{bucket_name, dead_stream, retry_stream, stream_name};

const SHORT: Duration = Duration::from_millis(50);

/// Waits until an answer is as it should be.
async fn until_is<T: PartialEq + std::fmt::Debug>(what: &str, should: T, is: impl AsyncFn() -> T) {
    let waits = async {
        let mut looks = tokio::time::interval(SHORT);
        while is().await != should {
            looks.tick().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waits).await;
    assert!(waited.is_ok(), "{what}: is {:?}, should be {should:?}", is().await);
}

/// Sends until the stream takes it, which is made in the background.
async fn send(messaging: &Messaging, name: &str) {
    let sends = async {
        while let Err(failed) = messaging.sender::<Paid>().send(|paid| paid.set_name(name)).await {
            assert!(matches!(failed.failure(), SendFailure::NoStream | SendFailure::Refused), "{failed}");
        }
    };
    tokio::time::timeout(PATIENCE, sends).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_panics_or_hangs_is_tried_again_and_the_last_attempt_is_a_dead_letter() {
    for program in NatsProgram::all() {
        let server = program.start();
        let (app, messaging, service) = app(to(&server.url())).await;
        let seen: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let counts = Arc::clone(&seen);
        let consumer =
            messaging.consumer("c").of::<Paid>().max_run(SHORT * 4).retry(Retry::after(SHORT).times(3));
        consumer
            .start(&service, move |paid| {
                let name = paid.read(|paid| Ok(paid.get_name()?.to_string()?)).unwrap();
                let times = {
                    let mut counts = counts.lock();
                    let times = counts.entry(name.clone()).or_default();
                    *times += 1;
                    *times
                };
                async move {
                    let fails = || Err(errors::SERVICE_NOT_AVAILABLE.error(BANK).message("not now").build());
                    match name.as_str() {
                        "hopeless" => fails(),
                        _ if times == 3 => Ok(Done),
                        "fails" => fails(),
                        "panics" => panic!("on purpose"),
                        _ => std::future::pending().await,
                    }
                }
            })
            .unwrap();
        let names = ["fails", "hangs", "hopeless", "panics"];
        for name in names {
            send(&messaging, name).await;
        }
        let all: BTreeMap<_, _> = names.map(|name| (name.to_owned(), 3)).into();
        until_is("attempts", all, async || seen.lock().clone()).await;
        let held = async || messaging.dead_letters_held::<Paid>().await.map(|held| held.messages);
        until_is("dead letters", Some(1), held).await;
        let stream = stream_name(app.domain(), PAYMENTS.id());
        let left = async || {
            let state = messaging.transport().consumer_state(&stream, &format!("{BANK}_c")).await;
            state.map(|state| (state.pending, state.ack_pending))
        };
        until_is("what is left", Ok((0, 0)), left).await;
        app.stop().await.expect_clean();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_deleted_while_consumers_run_are_made_again_and_all_goes_on() {
    for program in NatsProgram::all() {
        let server = program.start();
        let (app, messaging, service) = app(to(&server.url())).await;
        let done = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&done);
        let consumer = messaging.consumer("c").of::<Paid>();
        consumer
            .start(&service, move |paid| {
                let name = paid.read(|paid| Ok(paid.get_name()?.to_string()?)).unwrap();
                counts.fetch_add(1, Ordering::SeqCst);
                async move {
                    match name.as_str() {
                        "bad" => Ok(crate::DeadLetter("bad".to_owned())),
                        _ => Ok(Done),
                    }
                }
            })
            .unwrap();
        send(&messaging, "good").await;
        until("the first message", || done.load(Ordering::SeqCst) == 1).await;
        let domain = app.domain();
        let operator = async_nats::connect(server.url()).await.unwrap();
        for name in [
            stream_name(domain, PAYMENTS.id()),
            dead_stream(domain, PAYMENTS.id()),
            retry_stream(domain),
            format!("KV_{}", bucket_name(domain, crate::ids::ATTEMPTS)),
            format!("KV_{}", bucket_name(domain, crate::ids::PAUSED_CONSUMERS)),
        ] {
            // It is made in the background.
            let deleted = async || {
                let subject = format!("$JS.API.STREAM.DELETE.{name}");
                let answer = operator.request(subject, "".into()).await.unwrap();
                String::from_utf8_lossy(&answer.payload).contains("\"success\":true")
            };
            until_is(&name, true, deleted).await;
        }
        let failed = messaging.sender::<Paid>().send(|paid| paid.set_name("good")).await;
        if let Err(failed) = &failed {
            assert_eq!(failed.failure(), SendFailure::NoStream, "{failed}");
        } else {
            // It was made again before the send gave up.
            assert_eq!(failed.unwrap().sequence, 1);
        }
        send(&messaging, "bad").await;
        let held = async || messaging.dead_letters_held::<Paid>().await.map(|held| held.messages);
        until_is("dead letters", Some(1), held).await;
        until_is("notes", Vec::new(), async || app_health::notes(&app)).await;
        app.stop().await.expect_clean();
    }
}
