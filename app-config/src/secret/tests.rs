//! What is left of a secret: nothing.

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
fn debug_shows_no_byte() {
    assert_eq!(format!("{:?}", SecretBytes::from(b"secret".to_vec())), "SecretBytes(6 bytes)");
}
