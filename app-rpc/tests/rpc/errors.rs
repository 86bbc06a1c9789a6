//! Errors of handlers at their callers: the id stays, and what is private does not leave.

use app_core::prelude::*;
use app_errors::ErrorSeverity;
use app_errors::errors::ILLEGAL_ARGUMENT;
use app_rpc::{CallError, CallFailure, exception_error, exception_text};
use serde_json::json;

use crate::request;
use crate::stand::{ENDPOINT, Stand, ask};

fn check(failed: &CallError) {
    assert_eq!(failed.failure(), CallFailure::Failed);
    assert!(failed.is(&ILLEGAL_ARGUMENT), "{failed}");
    let error = failed.error().unwrap();
    assert!(error.is_remote());
    assert_eq!(error.message(), "permits: found 7; ask for fewer");
    assert_eq!(error.chain().nth(1).unwrap().to_string(), "the cause");
    assert_eq!(error.context(), Some(&json!({ "rule": "x" })));
    assert_eq!(error.tags(), ["QUOTA"]);
    assert!(error.stack().is_none());
    assert!(failed.reason().ends_with("permits: found 7; ask for fewer: the cause"), "{failed:?}");
    let text = failed.to_string();
    assert!(text.contains("IllegalArgument") && text.contains("9d95c5fac078b82c"), "{text}");
    assert!(!format!("{error:?}{text}{:?}", error.to_json()).contains("private"), "{error:?}");
}

#[tokio::test]
async fn the_error_of_a_handler_keeps_its_id_on_both_ways_to_a_server() {
    let stand = Stand::new().await;
    let client = stand.client();
    check(&client.call(|quota| ask(quota, "illegal", 7)).await.unwrap_err());
    request::connected(&client).await;
    check(&request::ask(&client, "illegal").await.unwrap_err());
    // A service passes it on by `?`.
    let passed_on = Error::from(client.call(|quota| ask(quota, "illegal", 7)).await.unwrap_err());
    assert!(passed_on.is(&ILLEGAL_ARGUMENT));
    assert_eq!(passed_on.to_json()["name"], "IllegalArgument");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn code_that_uses_capnp_rpc_itself_has_the_error_too() {
    let stand = Stand::new().await;
    let call = |quota| async move {
        let failed = ask(quota, "illegal", 7).await.unwrap_err();
        assert!(exception_error(&failed).unwrap().is(&ILLEGAL_ARGUMENT));
        assert_eq!(exception_text(&failed), "remote exception: permits: found 7; ask for fewer: the cause");
        Ok(())
    };
    assert_eq!(stand.client().call(call).await, Ok(()));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_fatal_error_of_a_server_is_not_fatal_to_its_callers() {
    let stand = Stand::new().await;
    let client = stand.client();
    let failed = client.call(|quota| ask(quota, "fatal", 1)).await.unwrap_err();
    assert_eq!(failed.error().unwrap().severity(), ErrorSeverity::High);
    let service = stand.app.new_service(ServiceId::new(0x77), "caller");
    service.spawn("calls", async move { Err::<(), _>(Error::from(failed)) }).unwrap();
    service.dead().await;
    assert!(stand.app.alive(), "the application goes on");
    stand.app.stop().await;
}

#[tokio::test]
async fn a_huge_error_is_cut_and_keeps_its_id() {
    let stand = Stand::new().await;
    let client = stand.client();
    let failed = client.call(|quota| ask(quota, "huge", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::Failed);
    assert!(failed.is(&ILLEGAL_ARGUMENT), "{}", failed.reason().len());
    assert!(failed.error().unwrap().message().len() <= 1024 && failed.reason().len() <= 1024);
    assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2), "the connection goes on");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn failed_calls_are_in_the_log_with_their_ids_and_bugs_are_warnings() {
    let stand = Stand::new().await;
    let client = stand.client();
    stand.app.set_service_log_level(ENDPOINT, Some(app_core::LogLevel::Debug), None);
    client.call(|quota| ask(quota, "illegal", 7)).await.unwrap_err();
    client.call(|quota| ask(quota, "bug", 7)).await.unwrap_err();
    let log = stand.app.captured().text();
    let of = |text: &str| {
        log.lines().find(|line| line.contains("RPC call failed") && line.contains(text)).unwrap().to_owned()
    };
    let illegal = of("permits: found 7");
    for part in [
        "\"level\":\"debug\"",
        "\"method\":\"Quota.acquire\"",
        "\"error\":\"9d95c5fac078b82c\"",
        "\"error_name\":\"IllegalArgument\"",
        "\"uid\":\"",
    ] {
        assert!(illegal.contains(part), "{part}: {illegal}");
    }
    assert!(of("an invariant").contains("\"level\":\"warn\""), "{log}");
    stand.app.stop().await.expect_clean();
}
