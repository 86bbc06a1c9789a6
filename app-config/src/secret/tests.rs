//! Nothing is left of a secret.

use super::*;

#[test]
fn wiped_bytes_are_zeros() {
    let mut bytes = *b"secret";
    wipe(&mut bytes);
    assert_eq!(bytes, [0; 6]);
}

#[test]
fn growing_keeps_the_bytes_and_makes_room() {
    let mut bytes = SecretBytes::from(b"secret".to_vec());
    bytes.grow(100);
    assert_eq!(&*bytes, b"secret");
    assert!(bytes.vec_mut().capacity() >= 106);
}

#[test]
fn what_is_read_is_all_of_it_up_to_the_limit() {
    for length in [0, 1, 8191, 8192, 8193, 16_384, 40_000] {
        let content: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
        for limit in [1, 8192, 16_384, 39_999, 40_000, 40_001] {
            let read = SecretBytes::read_from(&content[..], limit).unwrap();
            assert_eq!(*read, content[..length.min(limit)], "{length} bytes, limit {limit}");
            assert!(read.0.capacity() <= limit.max(1), "{} of {limit}", read.0.capacity());
        }
    }
}

#[test]
fn text_that_grows_is_all_there() {
    let mut text = SecretText::default();
    let part = "é\u{10ffff}x".repeat(41);
    for _ in 0..9 {
        text.push_str(&part);
        text.push('ü');
    }
    assert_eq!(text.into_string(), format!("{part}ü").repeat(9));
}

#[test]
fn debug_shows_no_byte() {
    assert_eq!(format!("{:?}", SecretBytes::from(b"secret".to_vec())), "SecretBytes(6 bytes)");
}
