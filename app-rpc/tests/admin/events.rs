//! The stream of events.

use std::time::Duration;

use app_core::StopCause;
use app_ids::{LogEventId, ServiceId};
use app_rpc::Role;
use schema::admin_capnp::{app, event_stream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::stand::{DISK, SHOP, Stand, call, eventually};

/// An event: its kind, its service or check, and its message.
type Event = (String, u64, u64, String);

/// An answer: events, the number of missed events, and whether the stream has ended.
#[derive(Debug, Default)]
struct Answer {
    events: Vec<Event>,
    missed: u64,
    end: bool,
}

async fn stream_of(app: &app::Client) -> Result<event_stream::Client, capnp::Error> {
    app.events_request().send().promise.await?.get()?.get_events()
}

async fn next(stream: &event_stream::Client, most: u16, wait: u32) -> Result<Answer, capnp::Error> {
    let mut request = stream.next_request();
    request.get().set_max_events(most);
    request.get().set_wait_millis(wait);
    let answer = request.send().promise.await?;
    let answer = answer.get()?;
    let events = answer.get_events()?.iter().map(|event| {
        assert!(event.get_at_millis() > 1_500_000_000_000);
        let kind = event.get_kind()?.to_string()?;
        assert!(kind.starts_with("healthcheck_") || LogEventId::named(&kind).is_some(), "{kind}");
        let of = (event.get_service_id(), event.get_health_check_id());
        Ok((kind, of.0, of.1, event.get_message()?.to_string()?))
    });
    let events: Result<Vec<_>, capnp::Error> = events.collect();
    Ok(Answer { events: events?, missed: answer.get_missed(), end: answer.get_end() })
}

#[tokio::test]
async fn a_waiting_client_gets_events_of_the_lifecycle_and_of_health_in_order() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    let (ready, mut waits) = watch::channel(false);
    let following = tokio::spawn(async move {
        let events = call(&client, move |app| {
            let ready = ready.clone();
            async move {
                let stream = stream_of(&app).await?;
                let mut events: Vec<Event> = Vec::new();
                ready.send_replace(true);
                while !events.iter().any(|(kind, ..)| kind == "healthcheck_unregistered") {
                    let answer = next(&stream, 0, 30_000).await?;
                    assert_eq!((answer.missed, answer.end), (0, false));
                    events.extend(answer.events);
                }
                Ok(events)
            }
        });
        events.await.unwrap()
    });
    waits.wait_for(|ready| *ready).await.unwrap();
    let health = stand.app.get::<app_health::HealthChecks>();
    health.pause(DISK).unwrap();
    health.resume(DISK).unwrap();
    stand.app.service(SHOP).unwrap().kill("closing time");
    eventually("the service is dead", || stand.app.service(SHOP).is_none()).await;
    health.unregister(DISK).unwrap();
    let events = following.await.unwrap();
    let kinds = |of: u64, check: u64| {
        let of = events.iter().filter(|(_, service, id, _)| (*service, *id) == (of, check));
        of.map(|(kind, ..)| kind.as_str()).collect::<Vec<_>>()
    };
    let shop = kinds(SHOP.as_u64(), 0);
    assert_eq!(shop, ["service_killed", "service_stopping", "service_stopped", "service_unregistered"]);
    let disk = kinds(0, DISK.as_u64());
    let told = ["healthcheck_paused", "healthcheck_resumed", "healthcheck_unregistered"];
    assert!(told.iter().all(|kind| disk.contains(kind)), "{disk:?}");
    let (.., killed) = events.iter().find(|(kind, ..)| kind == "service_killed").unwrap();
    assert_eq!(killed, "was killed: closing time");
    stand.stop().await;
}

#[tokio::test]
async fn a_slow_client_misses_the_oldest_events_and_learns_their_number() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    let (step, steps) = watch::channel(0);
    let (reached, mut reports) = watch::channel(0);
    let following = tokio::spawn(async move {
        let answers = call(&client, move |app| {
            let (mut steps, reached) = (steps.clone(), reached.clone());
            async move {
                let stream = stream_of(&app).await?;
                reached.send_replace(1);
                steps.wait_for(|step| *step == 1).await.map_err(|_| capnp::Error::failed(String::new()))?;
                let mut answers = vec![next(&stream, 10, 30_000).await?];
                while answers.last().is_some_and(|answer| !answer.events.is_empty()) {
                    answers.push(next(&stream, u16::MAX, 0).await?);
                }
                Ok(answers)
            }
        });
        answers.await.unwrap()
    });
    reports.wait_for(|reached| *reached == 1).await.unwrap();
    // Two events each. The task that publishes them has a turn after each, so only the stream is too slow.
    for number in 1..=900 {
        let service = app_core::Service::new(stand.app.app(), ServiceId::new(number), "mayfly").unwrap();
        stand.app.register(&service).unwrap();
        stand.app.unregister(&service).unwrap();
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
    step.send_replace(1);
    let answers = following.await.unwrap();
    let got: usize = answers.iter().map(|answer| answer.events.len()).sum();
    let missed: u64 = answers.iter().map(|answer| answer.missed).sum();
    assert_eq!(answers[0].events.len(), 10);
    assert!(answers.iter().all(|answer| answer.events.len() <= 128 && !answer.end));
    assert_eq!((got, missed), (1024, 1800 - 1024));
    assert_eq!(answers[0].missed, missed, "the first answer has the number");
    stand.stop().await;
}

#[tokio::test]
async fn two_calls_may_wait_on_a_stream_and_get_an_empty_answer_without_events() {
    let stand = Stand::new().await;
    eventually("all checks have run", || app_health::readiness(&stand.app).ready()).await;
    let client = stand.client(Role::Read);
    let answers = call(&client, |app| async move {
        let stream = stream_of(&app).await?;
        let quiet = next(&stream, 0, 1).await?;
        let (first, second, third) = (next(&stream, 0, 300), next(&stream, 0, 300), next(&stream, 0, 300));
        let (first, second, third) = futures_util::future::join3(first, second, third).await;
        Ok((quiet, first?, second?, third.unwrap_err().extra))
    });
    let (quiet, first, second, third) = answers.await.unwrap();
    for answer in [quiet, first, second] {
        assert!(answer.events.is_empty() && answer.missed == 0 && !answer.end, "{answer:?}");
    }
    assert!(third.contains("already has 2 calls that wait on this stream"), "{third}");
    stand.stop().await;
}

#[tokio::test]
async fn a_waiting_call_is_answered_when_the_application_ends_and_does_not_delay_it() {
    let stand = Stand::new().await;
    eventually("all checks have run", || app_health::readiness(&stand.app).ready()).await;
    let client = stand.client(Role::Read);
    let (ready, mut waits) = watch::channel(false);
    let following = tokio::spawn(async move {
        let answers = call(&client, move |app| {
            let ready = ready.clone();
            async move {
                let stream = stream_of(&app).await?;
                let waiting = next(&stream, 0, 30_000);
                // When a later call is answered, the server has the waiting one.
                let sent = async {
                    app.id_request().send().promise.await?;
                    ready.send_replace(true);
                    Ok::<_, capnp::Error>(())
                };
                let (answer, sent) = futures_util::future::join(waiting, sent).await;
                sent.and(answer)
            }
        });
        answers.await
    });
    waits.wait_for(|ready| *ready).await.unwrap();
    let begun = Instant::now();
    stand.app.kill(StopCause::Killed("closing time".to_owned()));
    stand.app.stopped().await.expect_clean();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "the stop waited neither for the long poll nor for the drain limit"
    );
    let told = following.await.unwrap().unwrap();
    assert!(told.events.iter().any(|(kind, ..)| kind == "app_stopping"), "{told:?}");
    stand.elsewhere.stop().await.expect_clean();
}
