//! What the service sends, takes and answers by messages.

use std::sync::{Arc, Mutex};

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_messaging::{AskFailure, Done, Faults, Messaging};
use app_metrics::testing::TestMetrics as _;
use svc_example::{EXHAUSTED_DROPPED, Exhausted, QUOTA, Quota, Refill, Remaining};
use tokio::time::{Instant, sleep};

use super::with_rules;

const MAILER: ServiceId = ServiceId::new(0xa2c7_55f0_1d83_6be9);

/// What a consumer of `Exhausted` got: rule, key, milliseconds to the next grant.
type Seen = Arc<Mutex<Vec<(String, String, u32)>>>;

fn mailer(app: &TestApp) -> Seen {
    let seen = Seen::default();
    let got = Arc::clone(&seen);
    let mailer = app.new_service(MAILER, "mailer");
    let consumer = app.get::<Messaging>().consumer("mailer").of::<Exhausted>();
    let started = consumer.start(&mailer, move |message| {
        let got = Arc::clone(&got);
        async move {
            let read = message.read(|exhausted| {
                assert!(exhausted.get_at_millis() > 1_700_000_000_000);
                let (rule, key) = (exhausted.get_rule()?.to_string()?, exhausted.get_key()?.to_string()?);
                Ok((rule, key, exhausted.get_retry_after_millis()))
            });
            got.lock().unwrap().push(read?);
            Ok(Done)
        }
    });
    started.unwrap();
    seen
}

#[tokio::test(start_paused = true)]
async fn a_key_that_runs_out_is_told_once_until_it_is_granted_again() {
    let app = with_rules(&[("mails", 1, 2, 100)]).start().await;
    let (quota, seen) = (app.get::<Quota>(), mailer(&app));
    for _ in 0..2 {
        assert!(quota.acquire("mails", "a", 1).await.unwrap().granted);
    }
    for _ in 0..5 {
        assert!(!quota.acquire("mails", "a", 1).await.unwrap().granted);
    }
    sleep(Duration::from_millis(900)).await;
    assert_eq!(*seen.lock().unwrap(), [("mails".to_owned(), "a".to_owned(), 1_000)]);
    assert!(!quota.acquire("mails", "a", 1).await.unwrap().granted);
    sleep(Duration::from_millis(100)).await;
    assert!(quota.acquire("mails", "a", 1).await.unwrap().granted);
    assert!(!quota.acquire("mails", "a", 1).await.unwrap().granted);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(seen.lock().unwrap().len(), 2);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn no_call_waits_for_a_message_and_those_that_are_given_up_are_counted() {
    let faults = Faults::seeded(1).lose_acks(1.0);
    let app = with_rules(&[("mails", 1, 1, 10_000)]).provide(faults).start().await;
    let quota = app.get::<Quota>();
    let began = Instant::now();
    for key in 0..2_000 {
        let key = key.to_string();
        assert!(quota.acquire("mails", &key, 1).await.unwrap().granted);
        assert!(!quota.acquire("mails", &key, 1).await.unwrap().granted);
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "of paused time");
    let dropped = app.metric(QUOTA, EXHAUSTED_DROPPED, []);
    assert!(
        (940.0..=976.0).contains(&dropped),
        "2,000 without those that wait, and those on their way: {dropped}"
    );
    assert!(app.captured().text().contains("too many of them wait to be sent"));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn while_no_server_answers_messages_wait_and_are_stored_later() {
    let faults = Faults::seeded(11).lose_acks(0.8);
    let app = with_rules(&[("mails", 1, 1, 100)]).provide(faults).start().await;
    let quota = app.get::<Quota>();
    for key in 0..20 {
        for _ in 0..2 {
            quota.acquire("mails", &key.to_string(), 1).await.unwrap();
        }
    }
    while app.get::<Messaging>().stream_held::<Exhausted>().await.is_none_or(|held| held.messages < 20) {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(60)).await;
    let held = app.get::<Messaging>().stream_held::<Exhausted>().await.unwrap();
    assert_eq!(held.messages, 20, "each once");
    assert_eq!(app.metric(QUOTA, EXHAUSTED_DROPPED, []), 0.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_refill_makes_the_bucket_full_and_one_of_an_unknown_rule_is_a_dead_letter_at_once() {
    let app = with_rules(&[("mails", 1, 5, 100)]).start().await;
    let (quota, messaging) = (app.get::<Quota>(), app.get::<Messaging>());
    assert!(quota.acquire("mails", "a", 5).await.unwrap().granted);
    let refills = messaging.sender::<Refill>();
    let refill = |rule: &'static str| {
        refills.send(move |refill| {
            refill.set_rule(rule);
            refill.set_key("a");
        })
    };
    assert_eq!(&*refill("mails").await.unwrap().stream, "OP_d0_59e39d8d10c4dfdd");
    sleep(Duration::from_millis(100)).await;
    assert_eq!(quota.acquire("mails", "a", 1).await.unwrap().remaining, 4);
    refill("nosuch").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(messaging.dead_letters_held::<Refill>().await.unwrap().messages, 1);
    let log = app.captured().text();
    assert!(log.contains("there is no rule"), "{log}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn what_remains_is_answered_and_an_unknown_rule_is_an_error() {
    let app = with_rules(&[("mails", 1, 5, 100)]).start().await;
    let (quota, messaging) = (app.get::<Quota>(), app.get::<Messaging>());
    let remaining = |rule: &'static str| {
        messaging.ask::<Remaining>(move |ask| {
            ask.set_rule(rule);
            ask.set_key("a");
        })
    };
    let read = |answer: app_messaging::Answer<Remaining>| answer.read(|it| Ok(it.get_remaining())).unwrap();
    assert_eq!(read(remaining("mails").await.unwrap()), 5);
    quota.acquire("mails", "a", 2).await.unwrap();
    assert_eq!(read(remaining("mails").await.unwrap()), 3);
    let failed = remaining("nosuch").await.unwrap_err();
    assert_eq!(failed.failure(), AskFailure::Failed(errors::ILLEGAL_ARGUMENT.id));
    assert!(failed.to_string().contains("there is no rule"), "{failed}");
    app.stop().await.expect_clean();
}
