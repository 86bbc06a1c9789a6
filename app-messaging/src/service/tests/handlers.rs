//! Handlers of events and requests: how much they may log, how long they may run, and what a stop does.

use super::*;
use crate::RESPONDER_MAX_IN_FLIGHT;

#[tokio::test(start_paused = true)]
async fn failures_of_handlers_are_logged_every_ten_seconds_and_counted() {
    let (app, messaging, service) = bank().await;
    let failed = || errors::BUG.error(BANK).message("fails").build();
    messaging.subscriber::<Tick>().start(&service, move |_| async move { Err(failed()) }).unwrap();
    messaging.responder::<Balance>().start(&service, move |_| async move { Err(failed()) }).unwrap();
    sleep(Duration::from_millis(1)).await;
    for _ in 0..2 {
        for _ in 0..50 {
            messaging.publisher::<Tick>().publish(|_| ()).await.unwrap();
            messaging.ask::<Balance>(|_| ()).await.unwrap_err();
        }
        sleep(Duration::from_secs(10)).await;
    }
    let log = app.captured().text();
    for text in ["an event was not handled", "a request was answered with an error"] {
        assert_eq!(log.matches(text).count(), 2, "{text}: {log}");
    }
    assert_eq!(log.matches("failures: 50").count() + log.matches("\"failures\":50").count(), 2, "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_responder_whose_handlers_hang_answers_again_after_their_longest_time() {
    let (_app, messaging, service) = bank().await;
    let responder = messaging.responder::<Balance>().max_run(Duration::from_secs(20));
    responder
        .start(&service, |ask| async move {
            match ask.read(|ask| Ok(ask.get_name()?.to_string()?))?.as_str() {
                "hangs" => std::future::pending().await,
                _ => Ok(Answer::new(|_| ())),
            }
        })
        .unwrap();
    sleep(Duration::from_millis(1)).await;
    let within = Duration::from_secs(60);
    let hangs = (0..RESPONDER_MAX_IN_FLIGHT)
        .map(|_| messaging.ask_within::<Balance>(within, |ask| ask.set_name("hangs")));
    let good = async {
        sleep(Duration::from_secs(1)).await;
        messaging.ask_within::<Balance>(within, |ask| ask.set_name("good")).await
    };
    let (failed, good) = tokio::join!(futures_util::future::join_all(hangs), good);
    good.unwrap();
    for failed in failed {
        let failed = failed.unwrap_err();
        assert_eq!(failed.failure(), AskFailure::Failed(errors::SERVICE_NOT_AVAILABLE.id));
        assert!(failed.reason().contains("ran for longer than 20s, and was cancelled"), "{failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_did_not_begin_before_a_stop_are_answered() {
    let (_app, messaging, service) = bank().await;
    let responder = messaging.responder::<Balance>();
    responder
        .start(&service, |_| async {
            sleep(Duration::from_secs(3)).await;
            Ok(Answer::new(|_| ()))
        })
        .unwrap();
    sleep(Duration::from_millis(1)).await;
    let within = Duration::from_secs(60);
    let began = Instant::now();
    let asks = (0..RESPONDER_MAX_IN_FLIGHT + 10).map(|_| messaging.ask_within::<Balance>(within, |_| ()));
    let stops = async {
        sleep(Duration::from_secs(1)).await;
        service.kill("stops");
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(asks), stops);
    let failed: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), 10, "{failed:?}");
    for failed in failed {
        assert_eq!(failed.failure(), AskFailure::Failed(errors::SERVICE_NOT_AVAILABLE.id));
        assert!(failed.reason().contains("the service stops; ask again"), "{failed}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
