//! What every transport has to do. Each function takes a transport and must pass on all of them.
//!
//! Names of streams and subjects are the test's own, so that tests share a server. Nothing here needs paused time, and nothing breaks
//! under it. Times are short, and compared with room for a slow server.

mod buckets;
mod streams;

#[path = "../tests/support/nats.rs"]
#[allow(unreachable_pub, reason = "integration tests compile the file too")]
pub(crate) mod servers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::StreamStorage;
use crate::transport::{
    BucketConfig, ConsumerConfig, DeliverPolicy, Delivered, Expected, Outgoing, RawEntry, Settlement,
    StreamConfig, Transport, TransportError, WhenFull,
};
use crate::wire::{Headers, header};

/// The timeout of calls that have an answer.
const SOON: Duration = Duration::from_secs(5);

/// How long something is waited for that should not come.
const NEVER: Duration = Duration::from_millis(200);

pub(crate) use self::buckets::*;
pub(crate) use self::streams::*;

pub(crate) type Any = Arc<dyn Transport>;

fn message(subject: &str, payload: &str) -> Outgoing {
    let (reply, headers) = (None, Headers::new());
    Outgoing {
        subject: subject.to_owned(),
        reply,
        headers,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

fn with_id(subject: &str, payload: &str, id: &str) -> Outgoing {
    let mut message = message(subject, payload);
    message.headers.append(header::MSG_ID, id);
    message
}

fn stream(name: &str) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        max_age: Duration::ZERO,
        max_bytes: 0,
        max_messages: 0,
        duplicate_window: Duration::from_secs(10),
        storage: StreamStorage::Memory,
        replicas: 1,
        when_full: WhenFull::DropOldest,
        release: 1,
    }
}

/// Makes a stream that does not exist.
async fn make(any: &Any, config: StreamConfig) {
    any.put_stream(config, false).await.unwrap();
}

fn consumer(name: &str) -> ConsumerConfig {
    ConsumerConfig {
        name: name.to_owned(),
        filter: None,
        ack_wait: Duration::from_secs(1),
        max_ack_pending: 100,
        deliver: DeliverPolicy::All,
        release: 1,
    }
}

/// A stream of this name with these payloads, and a consumer `c`.
async fn filled(any: &Any, name: &str, payloads: &[&str], change: impl FnOnce(&mut ConsumerConfig)) {
    make(any, stream(name)).await;
    let mut config = consumer("c");
    change(&mut config);
    any.ensure_consumer(name, config).await.unwrap();
    for payload in payloads {
        any.store(message(&format!("{name}.x"), payload), SOON).await.unwrap();
    }
}

/// What comes within a time, up to a number.
async fn pulled(any: &Any, name: &str, batch: usize, within: Duration) -> Vec<Delivered> {
    let mut pull = any.pull(name, "c", batch, within).await.unwrap();
    let mut all = Vec::new();
    while let Some(delivered) = pull.next().await.unwrap() {
        all.push(delivered);
    }
    all
}

fn texts(all: &[Delivered]) -> Vec<String> {
    all.iter().map(|one| String::from_utf8_lossy(&one.message.payload).into_owned()).collect()
}

async fn settle(any: &Any, delivered: &Delivered, settlement: Settlement) {
    any.settle(delivered.token.clone(), settlement, SOON).await.unwrap();
}

pub(crate) async fn subscriptions_with_wildcards_get_what_they_cover(any: Any) {
    let mut star = any.subscribe("sub1.*.c".to_owned(), None, 8).await.unwrap();
    let mut arrow = any.subscribe("sub1.>".to_owned(), None, 8).await.unwrap();
    for subject in ["sub1.b.c", "sub1.b", "sub1.b.d.c", "sub2.b.c"] {
        any.publish(message(subject, subject)).await.unwrap();
    }
    let first = tokio::time::timeout(SOON, star.messages.recv()).await.unwrap().unwrap();
    assert_eq!(&*first.subject, "sub1.b.c");
    for subject in ["sub1.b.c", "sub1.b", "sub1.b.d.c"] {
        let next = tokio::time::timeout(SOON, arrow.messages.recv()).await.unwrap().unwrap();
        assert_eq!(&*next.subject, subject);
    }
    assert!(tokio::time::timeout(NEVER, arrow.messages.recv()).await.is_err());
    assert!(tokio::time::timeout(NEVER, star.messages.recv()).await.is_err());
}

pub(crate) async fn one_member_of_a_queue_gets_each_message(any: Any) {
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(any.subscribe("queue.x".to_owned(), Some("q".to_owned()), 100).await.unwrap());
    }
    let mut other = any.subscribe("queue.*".to_owned(), Some("other".to_owned()), 100).await.unwrap();
    for _ in 0..60 {
        any.publish(message("queue.x", "m")).await.unwrap();
    }
    for _ in 0..60 {
        tokio::time::timeout(SOON, other.messages.recv()).await.unwrap().unwrap();
    }
    tokio::time::sleep(NEVER).await;
    let counts: Vec<_> = members.iter().map(|member| member.messages.len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 60, "{counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

pub(crate) async fn a_full_subscription_drops_the_newest_and_counts(any: Any) {
    let mut slow = any.subscribe("slow.x".to_owned(), None, 4).await.unwrap();
    for number in 0..10 {
        any.publish(message("slow.x", &number.to_string())).await.unwrap();
    }
    tokio::time::sleep(NEVER).await;
    let mut kept = Vec::new();
    while let Ok(one) = slow.messages.try_recv() {
        kept.push(String::from_utf8_lossy(&one.payload).into_owned());
    }
    assert_eq!(kept, ["0", "1", "2", "3"]);
    assert_eq!((slow.take_dropped(), slow.take_dropped()), (6, 0));
}

pub(crate) async fn a_request_without_a_responder_ends_at_once(any: Any) {
    let began = tokio::time::Instant::now();
    let failed = any.request(message("nobody.x", ""), SOON).await.unwrap_err();
    assert_eq!(failed, TransportError::NoResponders);
    assert!(began.elapsed() < Duration::from_secs(1));
}

pub(crate) async fn a_request_gets_the_answer_or_none_in_time(any: Any) {
    let mut asked = any.subscribe("ask.x".to_owned(), Some("q".to_owned()), 8).await.unwrap();
    let answers = async {
        let one = asked.messages.recv().await.unwrap();
        any.publish(message(one.reply.as_deref().unwrap(), "pong")).await.unwrap();
    };
    let (answer, ()) = tokio::join!(any.request(message("ask.x", "ping"), SOON), answers);
    assert_eq!(&answer.unwrap().payload[..], b"pong");
    let failed = any.request(message("ask.x", "ping"), NEVER).await.unwrap_err();
    assert_eq!(failed, TransportError::NoAnswer);
}

pub(crate) async fn a_request_on_a_stored_subject_is_answered_by_the_stream(any: Any) {
    make(&any, stream("stored-ask")).await;
    let answer = any.request(message("stored-ask.x", "m"), SOON).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.payload).contains("\"stream\":\"stored-ask\""), "{answer:?}");
}

pub(crate) async fn what_is_acknowledged_does_not_come_again(any: Any) {
    filled(&any, "acks", &["1", "2", "3"], |_| ()).await;
    let all = pulled(&any, "acks", 3, SOON).await;
    assert_eq!(texts(&all), ["1", "2", "3"]);
    assert_eq!(all.iter().map(|one| one.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    settle(&any, &all[0], Settlement::Ack).await;
    settle(&any, &all[2], Settlement::Term).await;
    let state = any.consumer_state("acks", "c").await.unwrap();
    assert_eq!((state.pending, state.ack_pending), (0, 1));
    let again = pulled(&any, "acks", 3, Duration::from_millis(1_700)).await;
    assert_eq!(texts(&again)[..1], ["2".to_owned()], "after its ack wait");
    assert!(again[0].deliveries >= 2);
    settle(&any, &again[0], Settlement::Ack).await;
    // A delivery that was settled before is confirmed too.
    settle(&any, &all[1], Settlement::Ack).await;
}

pub(crate) async fn a_delayed_nak_comes_after_its_delay(any: Any) {
    filled(&any, "naks", &["1", "2"], |config| config.ack_wait = Duration::from_secs(30)).await;
    let all = pulled(&any, "naks", 2, SOON).await;
    settle(&any, &all[0], Settlement::Nak(Duration::from_millis(700))).await;
    settle(&any, &all[1], Settlement::Nak(Duration::ZERO)).await;
    let began = tokio::time::Instant::now();
    let again = pulled(&any, "naks", 2, SOON).await;
    assert_eq!(texts(&again), ["2", "1"]);
    assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
    assert_eq!(again.iter().map(|one| one.deliveries).collect::<Vec<_>>(), [2, 2]);
}

pub(crate) async fn a_sign_of_life_begins_the_ack_wait_again(any: Any) {
    filled(&any, "wpi", &["1"], |_| ()).await;
    let one = pulled(&any, "wpi", 1, SOON).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        settle(&any, &one[0], Settlement::Progress).await;
    }
    assert!(pulled(&any, "wpi", 1, NEVER).await.is_empty(), "2 s after its delivery");
    settle(&any, &one[0], Settlement::Ack).await;
    assert!(pulled(&any, "wpi", 1, Duration::from_millis(1_500)).await.is_empty());
}

pub(crate) async fn no_more_than_max_ack_pending_is_delivered(any: Any) {
    filled(&any, "limited", &["1", "2", "3", "4"], |config| {
        config.max_ack_pending = 2;
        config.ack_wait = Duration::from_secs(30);
    })
    .await;
    let two = pulled(&any, "limited", 4, NEVER).await;
    assert_eq!(texts(&two), ["1", "2"]);
    // One that waits for its retry counts too.
    settle(&any, &two[0], Settlement::Nak(Duration::from_secs(30))).await;
    assert!(pulled(&any, "limited", 4, NEVER).await.is_empty());
    settle(&any, &two[1], Settlement::Ack).await;
    assert_eq!(texts(&pulled(&any, "limited", 4, NEVER).await), ["3"]);
}

pub(crate) async fn a_pull_waits_for_messages_that_come_later(any: Any) {
    filled(&any, "later", &[], |_| ()).await;
    let sends = async {
        tokio::time::sleep(NEVER).await;
        any.store(message("later.x", "1"), SOON).await.unwrap();
    };
    let (all, ()) = tokio::join!(pulled(&any, "later", 1, SOON), sends);
    assert_eq!(texts(&all), ["1"]);
}

pub(crate) async fn two_pulls_of_one_consumer_share_its_messages(any: Any) {
    filled(&any, "share", &["1", "2", "3", "4"], |config| config.ack_wait = Duration::from_secs(30)).await;
    let (one, other) = tokio::join!(pulled(&any, "share", 2, NEVER), pulled(&any, "share", 2, NEVER));
    let mut all = texts(&one);
    all.extend(texts(&other));
    all.sort();
    assert_eq!(all, ["1", "2", "3", "4"]);
}

pub(crate) async fn a_consumer_gets_what_its_filter_covers(any: Any) {
    filled(&any, "filter", &[], |config| config.filter = Some("filter.a.*".to_owned())).await;
    for subject in ["filter.a.1", "filter.b.1", "filter.a.2", "filter.a"] {
        any.store(message(subject, subject), SOON).await.unwrap();
    }
    assert_eq!(texts(&pulled(&any, "filter", 4, NEVER).await), ["filter.a.1", "filter.a.2"]);
}

pub(crate) async fn a_consumer_begins_where_it_is_told(any: Any) {
    make(&any, stream("begin")).await;
    for payload in ["1", "2"] {
        any.store(message("begin.x", payload), SOON).await.unwrap();
    }
    let from = ConsumerConfig { deliver: DeliverPolicy::FromSequence(2), ..consumer("c") };
    any.ensure_consumer("begin", from.clone()).await.unwrap();
    assert_eq!(texts(&pulled(&any, "begin", 4, NEVER).await), ["2"]);
    // Where it is stays when it is provided again.
    any.ensure_consumer("begin", ConsumerConfig { ack_wait: Duration::from_secs(30), ..from }).await.unwrap();
    assert!(pulled(&any, "begin", 4, NEVER).await.is_empty());
    let stored = any.pull("begin", "c", 1, NEVER).await;
    drop(stored);
    any.delete_consumer("begin", "c").await.unwrap();
    any.ensure_consumer("begin", consumer("c")).await.unwrap();
    let all = pulled(&any, "begin", 1, SOON).await;
    let time = all[0].stored_at + Duration::from_secs(3600);
    any.delete_consumer("begin", "c").await.unwrap();
    let later = ConsumerConfig { deliver: DeliverPolicy::FromTime(time), ..consumer("c") };
    any.ensure_consumer("begin", later).await.unwrap();
    assert!(pulled(&any, "begin", 4, NEVER).await.is_empty());
}

pub(crate) async fn a_pull_of_a_deleted_consumer_ends_with_an_error(any: Any) {
    filled(&any, "deleted", &[], |_| ()).await;
    let mut pull = any.pull("deleted", "c", 1, SOON).await.unwrap();
    let deletes = async {
        tokio::time::sleep(NEVER).await;
        any.delete_consumer("deleted", "c").await.unwrap();
    };
    let (next, ()) = tokio::join!(pull.next(), deletes);
    assert!(matches!(next, Err(TransportError::NotFound(_))), "{next:?}");
    drop(pull);
    // The next pull says so when it is asked, or before.
    let next = match any.pull("deleted", "c", 1, NEVER).await {
        Ok(mut pull) => pull.next().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(next, Err(TransportError::NotFound(_))), "{next:?}");
}

pub(crate) async fn what_is_no_subject_is_refused(any: Any) {
    for bad in ["", "a..b", "a b", "a.*", "a.>"] {
        let refused = any.publish(message(bad, "")).await.unwrap_err();
        assert!(matches!(refused, TransportError::Refused(_)), "{bad}: {refused}");
    }
    assert!(any.subscribe("a.>.b".to_owned(), None, 1).await.is_err());
}

/// Makes a test of each function of the suite, for one transport.
macro_rules! transport_suite {
    ($make:expr; $($test:ident),+ $(,)?) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                crate::suite::$test($make).await;
            }
        )+
    };
}
pub(crate) use transport_suite;

/// Gives the functions of the suite to a macro, behind what it gets itself.
macro_rules! with_suite {
    ($macro:ident, $first:expr) => {
        $macro! {
            $first;
            subscriptions_with_wildcards_get_what_they_cover,
            one_member_of_a_queue_gets_each_message,
            a_full_subscription_drops_the_newest_and_counts,
            a_request_without_a_responder_ends_at_once,
            a_request_gets_the_answer_or_none_in_time,
            a_request_on_a_stored_subject_is_answered_by_the_stream,
            a_store_says_the_sequence_and_finds_duplicates,
            a_stream_keeps_within_its_limits,
            a_stream_says_what_it_is_and_takes_changes,
            a_stream_that_refuses_keeps_what_it_has,
            messages_are_read_by_sequence_and_subject,
            a_deleted_message_is_not_delivered_any_more,
            consumers_are_listed_with_how_far_they_are,
            a_message_beyond_the_limit_does_not_leave_the_process,
            what_is_acknowledged_does_not_come_again,
            a_delayed_nak_comes_after_its_delay,
            a_sign_of_life_begins_the_ack_wait_again,
            no_more_than_max_ack_pending_is_delivered,
            a_pull_waits_for_messages_that_come_later,
            two_pulls_of_one_consumer_share_its_messages,
            a_consumer_gets_what_its_filter_covers,
            a_consumer_begins_where_it_is_told,
            a_pull_of_a_deleted_consumer_ends_with_an_error,
            a_bucket_changes_by_revision,
            a_bucket_says_when_it_stored_and_forgets_after_its_age,
            a_watch_shows_what_is_there_and_every_change,
            an_entry_is_forgotten_without_a_trace,
            what_is_no_subject_is_refused,
        }
    };
}
pub(crate) use with_suite;
