//! Old and new forms of reply subjects, and nonsense.

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
