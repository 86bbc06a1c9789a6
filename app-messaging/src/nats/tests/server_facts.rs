//! What servers really do, where this crate is built on it. When a newer server differs, the test names the fact and what rests on
//! it: then look whether the design can become simpler, or has to change.

use serde_json::{Value, json};

use super::*;
use crate::transport::{BucketConfig, Expected, Settlement, TransportError};
use crate::wire::header;

type Version = (u32, u32, u32);

/// Compares what a server does with what servers of its version do.
fn fact(
    program: &NatsProgram,
    fact: &str,
    rests_on_it: &str,
    observed: bool,
    expected: impl Fn(Version) -> bool,
) {
    let expected = expected(program.version);
    assert_eq!(
        observed, expected,
        "nats-server {:?} differs: \"{fact}\" is {observed}, and was {expected}; {rests_on_it} rests on it",
        program.version
    );
}

/// Calls JetStream. The inner error is that of JetStream.
async fn js(stand: &Stand, call: &str, body: Value) -> Result<Value, api::ApiError> {
    api::try_call(&stand.nats.link().unwrap(), call, &body, SOON).await.unwrap()
}

/// Says something to a delivery, and waits for the confirmation.
async fn say(stand: &Stand, reply: &str, what: &'static str) -> Result<(), TransportError> {
    let until = Instant::now() + Duration::from_secs(2);
    let link = stand.nats.link().unwrap();
    link.call(reply.to_owned().into(), None, Bytes::from_static(what.as_bytes()), until).await.map(drop)
}

/// What comes within a time.
async fn pulled(
    stand: &Stand,
    consumer: &str,
    batch: usize,
    within: Duration,
) -> Vec<crate::transport::Delivered> {
    let mut pull = stand.nats.pull("s", consumer, batch, within).await.unwrap();
    let mut all = Vec::new();
    while let Some(delivered) = pull.next().await.unwrap() {
        all.push(delivered);
    }
    all
}

/// How long something is waited for that should not come.
const NEVER: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_filters_are_ignored_by_old_servers() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 0).await;
        let config =
            json!({ "durable_name": "f", "ack_policy": "explicit", "filter_subjects": ["s.a", "s.b"] });
        let body = json!({ "stream_name": "s", "config": config });
        let made = js(&stand, "CONSUMER.DURABLE.CREATE.s.f", body).await.unwrap();
        let ignored = made["config"]["filter_subjects"].is_null();
        fact(&program, "filter_subjects is ignored", "one filter for a partition", ignored, |version| {
            version < (2, 10, 0)
        });
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_messages_are_remembered_for_a_stream_and_not_for_a_subject() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 0).await;
        let store = async |subject: &str| {
            let mut message = message(subject, "m");
            message.headers.append(header::MSG_ID, "same");
            stand.nats.store(message, SOON).await.unwrap().duplicate
        };
        let (first, second) = (store("s.a").await, store("s.b").await);
        assert!(!first);
        fact(
            &program,
            "an id is found on another subject of its stream",
            "the type in the id",
            second,
            |_| true,
        );
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_on_a_stored_subject_returns_the_acknowledgement_of_the_store() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 0).await;
        let answer = stand.nats.request(message("s.x", "?"), SOON).await.unwrap();
        let is_ack = String::from_utf8_lossy(&answer.payload).contains("\"stream\":\"s\"");
        fact(&program, "the store answers a request", "the kinds of messages", is_ack, |_| true);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hand_backs_raise_the_count_of_deliveries_and_a_crash_may_lower_it() {
    for program in NatsProgram::all() {
        let mut server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 1).await;
        for deliveries in 1..=3 {
            let one = pulled(&stand, "c", 1, SOON).await.remove(0);
            let raised = one.deliveries == deliveries;
            fact(&program, "a nak raises the count", "own attempts", raised, |_| true);
            stand.nats.settle(one.token, Settlement::Nak(Duration::ZERO), SOON).await.unwrap();
        }
        server.kill();
        server.restart();
        until_ok("connection", async || stand.nats.consumer_state("s", "c").await).await;
        let one = until_ok("delivery", async || {
            let mut pull = stand.nats.pull("s", "c", 1, Duration::from_secs(2)).await.map_err(drop)?;
            pull.next().await.map_err(drop)?.ok_or(())
        })
        .await;
        // What it is depends on when the server wrote it down. It is at most one more.
        let at_most = (1..=4).contains(&one.deliveries);
        fact(&program, "a crash does not raise the count", "own attempts", at_most, |_| true);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_ack_pending_is_of_the_whole_fleet_and_waiting_naks_fill_it() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 8).await;
        let small = ConsumerConfig { max_ack_pending: 4, ..consumer("small") };
        stand.nats.ensure_consumer("s", small).await.unwrap();
        let first = pulled(&stand, "small", 4, SOON).await;
        assert_eq!(first.len(), 4);
        let starved = pulled(&stand, "small", 4, NEVER).await.is_empty();
        fact(
            &program,
            "one instance can take all of max_ack_pending",
            "its default of 1,024",
            starved,
            |_| true,
        );
        for delivered in first {
            stand.nats.settle(delivered.token, Settlement::Nak(PATIENCE), SOON).await.unwrap();
        }
        let filled = pulled(&stand, "small", 4, NEVER).await.is_empty();
        fact(&program, "naks that wait fill max_ack_pending", "the retry stream", filled, |_| true);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_delivery_settles_a_message_that_another_handles() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 1).await;
        let old = pulled(&stand, "c", 1, SOON).await.remove(0);
        stand.nats.settle(old.token.clone(), Settlement::Nak(Duration::ZERO), SOON).await.unwrap();
        let new = pulled(&stand, "c", 1, SOON).await.remove(0);
        assert_eq!(new.deliveries, 2);
        stand.nats.settle(old.token, Settlement::Ack, SOON).await.unwrap();
        let settled = stand.nats.consumer_state("s", "c").await.unwrap().ack_pending == 0;
        fact(&program, "an old token settles", "the cancelled handler of a lost delivery", settled, |_| true);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_denied_inbox_is_stored_without_an_answer() {
    for program in NatsProgram::all() {
        let server = program.start_with(
            "authorization { users: [ { user: all, password: all }, \
             { user: joe, password: joe, permissions: { subscribe: { deny: [\"_INBOX.>\"] } } } ] }",
        );
        let account =
            |user: &str| crate::config::Account::User(user.to_owned(), user.as_bytes().to_vec().into());
        let all = stand(&MessagingConfig { account: account("all"), ..config_of(&server.url()) }).await;
        filled(&all.nats, 0).await;
        // The bare client, since the keeper does not use such a connection.
        let client = async_nats::ConnectOptions::with_user_and_password("joe".into(), "joe".into())
            .request_timeout(Some(Duration::from_secs(1)))
            .connect(server.url())
            .await
            .unwrap();
        let times_out = client.request("s.x", "m".into()).await.is_err();
        let stored = all.nats.stream_state("s").await.unwrap().messages == 1;
        fact(&program, "a denied inbox stores and does not answer", "the probe", times_out && stored, |_| {
            true
        });
        all.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_expires_is_no_event_of_a_watch() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        let config = BucketConfig {
            name: "b".to_owned(),
            history: 1,
            max_value_bytes: 100,
            max_age: Duration::from_secs(1),
            max_bytes: 0,
        };
        until_ok("bucket", async || stand.nats.ensure_bucket(config.clone()).await).await;
        let value = || Some(Bytes::from_static(b"1"));
        stand.nats.bucket_put("b", "k", value(), Expected::Any, SOON).await.unwrap();
        let mut watch = stand.nats.bucket_watch("b", None).await.unwrap();
        assert!(watch.next().await.unwrap().unwrap().value.is_some());
        let gone = async || match stand.nats.bucket_get("b", "k").await {
            Ok(None) => Ok(()),
            _ => Err(()),
        };
        until_ok("expiry", gone).await;
        let silent = tokio::time::timeout(NEVER, watch.next()).await.is_err();
        fact(&program, "an expiry is no event", "leases that do not rest on ages", silent, |_| true);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_nak_ignores_the_backoff_of_the_consumer() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 1).await;
        let minute = 60_000_000_000_u64;
        let config = json!({
            "durable_name": "slow", "ack_policy": "explicit", "max_deliver": 5,
            "backoff": [minute, 2 * minute, 3 * minute],
        });
        let body = json!({ "stream_name": "s", "config": config });
        js(&stand, "CONSUMER.DURABLE.CREATE.s.slow", body).await.unwrap();
        let mut deliveries = 0;
        while let Some(one) = pulled(&stand, "slow", 1, Duration::from_secs(3)).await.pop() {
            deliveries += 1;
            say(&stand, one.token.reply.as_deref().unwrap(), "-NAK").await.unwrap();
            if deliveries == 4 {
                break;
            }
        }
        let ignored = deliveries == 4;
        fact(&program, "a bare nak ignores backoff", "naks that have a delay", ignored, |_| true);
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_term_with_a_reason_is_ignored_by_old_servers() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 1).await;
        let one = pulled(&stand, "c", 1, SOON).await.remove(0);
        let _ = say(&stand, one.token.reply.as_deref().unwrap(), "+TERM because").await;
        let ignored = stand.nats.consumer_state("s", "c").await.unwrap().ack_pending == 1;
        fact(&program, "+TERM with a reason is ignored", "the bare one", ignored, |version| {
            version < (2, 10, 4)
        });
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_of_a_consumer_is_ignored_by_old_servers() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 0).await;
        // It exists with another ack wait, so creating it has to fail.
        let config = json!({ "durable_name": "c", "name": "c", "ack_policy": "explicit", "ack_wait": 7_000_000_000_u64 });
        let body = json!({ "stream_name": "s", "config": config, "action": "create" });
        let overwritten = js(&stand, "CONSUMER.CREATE.s.c", body).await.is_ok();
        fact(&program, "action: create overwrites", "reading back", overwritten, |version| {
            version < (2, 10, 0)
        });
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_over_the_limit_ends_the_connection() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    for program in NatsProgram::all() {
        let server = program.start_with("max_payload: 100");
        // By hand, since the client checks too.
        let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let line = format!(
            "CONNECT {{\"headers\":true}}\r\nHPUB a 20 110\r\nNATS/1.0\r\nA: 1234\r\n\r\n{}\r\n",
            "m".repeat(90)
        );
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await.is_ok();
        let told = String::from_utf8_lossy(&heard).contains("Maximum Payload Violation");
        fact(
            &program,
            "the limit counts headers and ends the connection",
            "the check before",
            ended && told,
            |_| true,
        );
    }
}
