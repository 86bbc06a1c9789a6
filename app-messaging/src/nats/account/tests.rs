//! Proofs are what servers expect, and no text shows a secret.

use nkeys::KeyPairType;

use super::*;

#[test]
fn each_account_is_proven_in_its_way() {
    let nonce = b"nonce";
    let secret = |text: &str| SecretBytes::from(text.as_bytes().to_vec());
    let none = Proof::of(&Account::None).unwrap().answer(nonce).unwrap();
    assert!(none.username.is_none() && none.token.is_none() && none.signature.is_none());
    let user = Proof::of(&Account::User("joe".to_owned(), secret("hunter2"))).unwrap().answer(nonce).unwrap();
    assert_eq!((user.username.as_deref(), user.password.as_deref()), (Some("joe"), Some("hunter2")));
    let token = Proof::of(&Account::Token(secret("t0ken"))).unwrap().answer(nonce).unwrap();
    assert_eq!(token.token.as_deref(), Some("t0ken"));
    let key = KeyPair::new(KeyPairType::User);
    let seed = key.seed().unwrap();
    let nkey = Proof::of(&Account::NkeySeed(secret(&seed))).unwrap().answer(nonce).unwrap();
    assert_eq!(nkey.nkey, Some(key.public_key()));
    key.verify(nonce, &nkey.signature.unwrap()).unwrap();
    let file = format!(
        "-----BEGIN NATS USER JWT-----\njwt\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------"
    );
    let jwt = Proof::of(&Account::Credentials(secret(&file))).unwrap().answer(nonce).unwrap();
    assert_eq!((jwt.jwt.as_deref(), jwt.nkey), (Some("jwt"), None));
    key.verify(nonce, &jwt.signature.unwrap()).unwrap();
}

#[test]
fn a_wrong_secret_is_refused_without_being_shown() {
    let seed = "SUBADBADBADBADBADBADBADBADBADBADBADBADBADBADBADBADBADBADBA";
    let wrong = Proof::of(&Account::NkeySeed(SecretBytes::from(seed.as_bytes().to_vec()))).err().unwrap();
    assert!(!wrong.contains("BAD"), "{wrong}");
    let wrong = Proof::of(&Account::Credentials(SecretBytes::from(b"hunter2".to_vec()))).err().unwrap();
    assert!(!wrong.contains("hunter2"), "{wrong}");
}
