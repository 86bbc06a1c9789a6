//! Keys: which texts are keys, and the errors of the others.

use proptest::prelude::*;

use super::*;

/// A pair of keys from age's own test vectors.
const SECRET: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const PUBLIC: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn identity(text: &str) -> KeyError {
    text.parse::<ConfigIdentity>().unwrap_err()
}

fn recipient(text: &str) -> KeyError {
    text.parse::<Recipient>().unwrap_err()
}

#[test]
fn both_halves_are_read_and_written() {
    let identity: ConfigIdentity = SECRET.parse().unwrap();
    assert_eq!(&*identity.secret_text(), SECRET.as_bytes());
    assert_eq!(identity.recipient().to_string(), PUBLIC);
    assert_eq!(identity.recipient(), PUBLIC.parse().unwrap());
    assert_eq!(format!("{:?}", identity.recipient()), format!("Recipient({PUBLIC})"));
}

#[test]
fn a_new_identity_is_another_one_each_time() {
    let (one, other) = (ConfigIdentity::generate(), ConfigIdentity::generate());
    assert_ne!(one.recipient(), other.recipient());
    let read: ConfigIdentity = str::from_utf8(&one.secret_text()).unwrap().parse().unwrap();
    assert_eq!(read.recipient(), one.recipient());
}

#[test]
fn debug_shows_the_public_half() {
    let identity: ConfigIdentity = SECRET.parse().unwrap();
    assert_eq!(format!("{identity:?}"), format!("ConfigIdentity of {PUBLIC}"));
}

#[test]
fn what_is_no_identity_is_told_apart() {
    assert_eq!(identity(""), KeyError::NotAge);
    assert_eq!(identity("hunter2"), KeyError::NotAge);
    assert_eq!(identity(PUBLIC), KeyError::Public);
    assert_eq!(identity(&SECRET[..40]), KeyError::Damaged);
    assert_eq!(identity(&SECRET.replace("GQ97", "QQ97")), KeyError::Damaged);
    assert_eq!(identity("AGE-PLUGIN-YUBIKEY-1QQPQQQQZ"), KeyError::OtherType);
    assert_eq!(identity("AGE-SECRET-KEY-PQ-1QQPQQQQZ"), KeyError::OtherType);
    assert_eq!(identity("-----BEGIN OPENSSH PRIVATE KEY-----"), KeyError::Ssh);
}

#[test]
fn what_is_no_recipient_is_told_apart() {
    assert_eq!(recipient("age"), KeyError::NotAge);
    assert_eq!(recipient("ü"), KeyError::NotAge);
    assert_eq!(recipient(SECRET), KeyError::Secret);
    assert_eq!(recipient(&PUBLIC[..40]), KeyError::Damaged);
    assert_eq!(recipient(&PUBLIC.replace('t', "q")), KeyError::Damaged);
    assert_eq!(recipient("age1yubikey1qqpqqqqz"), KeyError::OtherType);
    assert_eq!(recipient("age1pq1qqpqqqqz"), KeyError::OtherType);
    assert_eq!(recipient("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"), KeyError::Ssh);
}

#[test]
fn a_recipient_that_keeps_no_secret_is_refused() {
    for text in LOW_ORDER {
        assert!(text.parse::<age::x25519::Recipient>().is_ok(), "{text} is one to age");
        assert_eq!(recipient(text), KeyError::Weak);
        assert_eq!(recipient(&text.to_uppercase()), KeyError::Weak);
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in prop_oneof![".{0,80}", "age1.{0,80}", "AGE-(SECRET-KEY|PLUGIN)-.{0,80}"]) {
        let _ = (text.parse::<ConfigIdentity>(), text.parse::<Recipient>());
    }
}
