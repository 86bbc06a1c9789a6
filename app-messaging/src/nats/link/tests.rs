//! What the reply subjects of deliveries say, and what the server says beside its answers.

use proptest::prelude::*;

use super::*;

#[test]
fn a_delivery_says_whose_it_is_in_old_and_new_forms() {
    for (reply, key) in [
        ("$JS.ACK.S.c.3.7.9.1700000000000000000.5", Some("S.c")),
        ("$JS.ACK.hub.acc.S.c.3.7.9.1700000000000000000.5", Some("S.c")),
        ("$JS.ACK.hub.acc.S.c.3.7.9.1700000000000000000.5.rnd", Some("S.c")),
        ("$JS.ACK._.acc.S.c.3.7.9.1700000000000000000.5.rnd", Some("S.c")),
        ("$JS.ACK.S.c.3.7.9", None),
        ("$JS.ACK.", None),
        ("_INBOX.a.b", None),
        ("", None),
    ] {
        assert_eq!(delivery_key(reply), key, "{reply}");
        let info = AckInfo::parse(reply);
        let expected = key.map(|_| AckInfo {
            deliveries: 3,
            sequence: 7,
            consumer_sequence: 9,
            stored_nanos: 1_700_000_000_000_000_000,
            pending: 5,
        });
        assert_eq!(info, expected, "{reply}");
    }
    assert_eq!(AckInfo::parse("$JS.ACK.S.c.three.7.9.1.5"), None);
}

proptest! {
    #[test]
    fn no_reply_subject_breaks_the_reading(reply in "(\\$JS\\.ACK\\.)?[a-z0-9._-]{0,60}") {
        let key = delivery_key(&reply);
        if AckInfo::parse(&reply).is_some() {
            prop_assert!(key.is_some());
        }
    }
}

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
