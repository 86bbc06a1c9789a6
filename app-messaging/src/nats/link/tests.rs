//! What the server says beside its answers.

use super::*;

#[test]
fn what_the_server_says_reaches_who_waits_for_it() {
    let signs = ServerSigns::default();
    let (_guard, mut answer) = signs.replies.call(|_| "a.b".into()).unwrap();
    let (_other, mut waits) = signs.replies.call(|_| "a.c".into()).unwrap();
    let told = |text: &str| Event::ServerError(ServerError::Other(text.to_owned()));
    signs.take(&told("Permissions Violation for Publish to \"a.b\""));
    assert!(answer.try_recv().unwrap().unwrap_err().contains("Permissions Violation"));
    assert!(waits.try_recv().is_err());
    signs.take(&told("Permissions Violation for Subscription to \"x.*\""));
    assert!(signs.is_denied("x.*") && !signs.is_denied("x"));
    assert!(!signs.gone.is_cancelled());
    signs.take(&told("Stale Connection\r\n\u{1b}[2J"));
    let error = signs.error.lock().clone().unwrap();
    assert!(error.starts_with("Stale Connection") && !error.contains(['\r', '\u{1b}']), "{error:?}");
    signs.take(&Event::LameDuckMode);
    assert!(signs.leaving.is_cancelled() && !signs.gone.is_cancelled());
    signs.take(&Event::Disconnected);
    assert!(signs.gone.is_cancelled());
}

#[test]
fn a_denied_inbox_fails_every_call() {
    let signs = ServerSigns::default();
    signs.inbox.set("_INBOX.1.*".to_owned()).unwrap();
    let (_guard, mut answer) = signs.replies.call(|_| "a.b".into()).unwrap();
    let text = "Permissions Violation for Subscription to \"_INBOX.1.*\"";
    signs.take(&Event::ServerError(ServerError::Other(text.to_owned())));
    assert!(answer.try_recv().unwrap().is_err());
}

#[test]
fn what_the_client_drops_is_counted() {
    let signs = ServerSigns::default();
    (0..3).for_each(|_| signs.take(&Event::SlowConsumer(7)));
    assert_eq!(signs.overflows.load(Ordering::Relaxed), 3);
    assert!(!signs.gone.is_cancelled());
}
