//! Without a sink, a server passes the context of its caller on, and has no spans of its own.

use app_core::trace::TraceContext;

use crate::request::{self, connected};
use crate::sink::off;
use crate::stand::{self, Stand};

#[tokio::test]
async fn without_spans_the_context_of_the_caller_reaches_the_handler_unchanged() {
    let _off = off().await;
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    stand.seen.contexts.lock().unwrap().clear();
    assert_eq!(request::ask(&client, "echo").await, Ok(7));
    assert_eq!(client.call(|quota| stand::ask(quota, "echo", 7)).await, Ok(7));
    assert!(stand.seen.contexts.lock().unwrap().is_empty(), "there was no context");

    let caller = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("a=1"));
    // A peer of the client that is not verified stays unverified behind the client.
    for caller in [caller.clone().unwrap(), caller.unwrap().verified()] {
        stand.seen.contexts.lock().unwrap().clear();
        assert_eq!(caller.clone().scope(request::ask(&client, "echo")).await, Ok(7));
        assert_eq!(caller.clone().scope(client.call(|quota| stand::ask(quota, "echo", 7))).await, Ok(7));
        let seen = stand.seen.contexts.lock().unwrap().clone();
        assert_eq!(seen, [caller.clone(), caller]);
    }
    stand.app.stop().await.expect_clean();
}
