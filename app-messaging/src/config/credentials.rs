//! Keys of users and credentials files, as NATS has them. No error has a part of a secret.

use nkeys::{KeyPair, KeyPairType};

/// The key of a user with this seed. The error has no part of the seed.
pub(crate) fn user_key(seed: &[u8]) -> Result<KeyPair, &'static str> {
    let seed = std::str::from_utf8(seed).map_err(|_| "it is no text")?;
    let key = KeyPair::from_seed(seed).map_err(|_| "its checksum is wrong: a part is missing or changed")?;
    match key.key_pair_type() {
        KeyPairType::User => Ok(key),
        _ => Err("it is not the seed of a user"),
    }
}

/// The text between these two lines of a credentials file.
fn block<'a>(credentials: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let text = std::str::from_utf8(credentials).ok()?;
    let begin = format!("-----BEGIN {name}-----");
    let (_, rest) = text.split_once(begin.as_str())?;
    let (inner, _) = rest.split_once("-----END")?;
    // The dashes of the last line, which has one more than the first.
    let inner = inner.trim_end_matches('-').trim();
    (!inner.is_empty() && !inner.contains(char::is_whitespace)).then_some(inner.as_bytes())
}

/// The JWT and the seed of a credentials file. The error has no part of them.
pub(crate) fn read_credentials(credentials: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let jwt = block(credentials, "NATS USER JWT").ok_or("the block NATS USER JWT has no JWT on one line")?;
    let seed =
        block(credentials, "USER NKEY SEED").ok_or("the block USER NKEY SEED has no seed on one line")?;
    user_key(seed)?;
    Ok((jwt, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of a user, made for these tests.
    fn seed(kind: KeyPairType) -> String {
        KeyPair::new(kind).seed().unwrap()
    }

    #[test]
    fn the_seed_of_a_user_is_a_key_and_others_are_refused_without_being_shown() {
        let good = seed(KeyPairType::User);
        assert!(user_key(good.as_bytes()).is_ok());
        let mut typo = good.clone().into_bytes();
        typo[20] = if typo[20] == b'A' { b'B' } else { b'A' };
        for (bad, why) in [
            (typo, "its checksum is wrong"),
            (seed(KeyPairType::Account).into_bytes(), "not the seed of a user"),
            (b"SU".to_vec(), "its checksum is wrong"),
            (vec![0xff; 58], "no text"),
        ] {
            let wrong = user_key(&bad).err().unwrap();
            assert!(wrong.contains(why), "{wrong}");
        }
    }

    #[test]
    fn a_credentials_file_has_a_jwt_and_a_seed() {
        let seed = seed(KeyPairType::User);
        let file = |jwt: &str, seed: &str| {
            format!(
                "-----BEGIN NATS USER JWT-----\r\n{jwt}\r\n------END NATS USER JWT------\r\n\r\n*** IMPORTANT ***\n\n\
                 -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n***\n"
            )
        };
        let good = file("eyJ0.e30.c2ln", &seed);
        assert_eq!(
            read_credentials(good.as_bytes()).unwrap(),
            (b"eyJ0.e30.c2ln".as_slice(), seed.as_bytes())
        );
        for (bad, why) in [
            (file("", &seed), "NATS USER JWT has no JWT"),
            (file("a b", &seed), "NATS USER JWT has no JWT"),
            (file("jwt", ""), "has no seed"),
            (file("jwt", "SUXX"), "checksum"),
            (String::new(), "NATS USER JWT"),
        ] {
            let wrong = read_credentials(bad.as_bytes()).unwrap_err();
            assert!(wrong.contains(why), "{wrong}");
        }
    }
}
