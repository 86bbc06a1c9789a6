//! Sealed files: only what was sealed is opened.

use std::time::{Duration, Instant};

use app_config::codec::MAX_FILE_BYTES;
use app_config::sealing::{MAX_HEADER_BYTES, MAX_RECIPIENTS, SealedHeader, is_sealed};
use proptest::prelude::*;

use super::*;

/// The first bytes of every sealed file.
const MAGIC: &[u8] = b"age-encryption.org/";

const PLAIN: &[u8] = b"the plain content, which must stay secret";

fn keys(count: usize) -> (Vec<Recipient>, ConfigIdentities) {
    let keys: Vec<_> = (0..count).map(|_| ConfigIdentity::generate()).collect();
    (keys.iter().map(ConfigIdentity::recipient).collect(), ConfigIdentities::of(keys).unwrap())
}

fn refusal(sealed: &[u8], identities: &ConfigIdentities) -> String {
    match open(sealed, identities) {
        Ok(plain) => format!("opened: {plain:?}"),
        Err(error) => {
            let text = error.to_string();
            assert!(
                !text.contains("plain content") && !format!("{error:?}").contains("plain content"),
                "{text}"
            );
            text
        }
    }
}

/// A sealed file whose header has these lines in place of its stanzas.
fn with_stanzas(stanzas: &str) -> Vec<u8> {
    let mac = "A".repeat(43);
    format!("age-encryption.org/v1\n{stanzas}--- {mac}\n0123456789abcdef0123456789abcdef").into_bytes()
}

/// A stanza of the right form that no key opens.
fn stanza() -> String {
    format!("-> X25519 {}\n{}\n", "B".repeat(42) + "A", "C".repeat(42) + "A")
}

#[test]
fn what_is_sealed_is_opened() {
    let (recipients, identities) = keys(1);
    // Chunks have 64 KiB: one byte around that, exactly two chunks, and none.
    for length in [0, 1, 65_535, 65_536, 65_537, 131_072, 400_000] {
        let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
        let sealed = seal(&plain, &recipients).unwrap();
        assert!(is_sealed(&sealed) && !is_sealed(&plain));
        assert_eq!(*open(&sealed, &identities).unwrap(), plain[..]);
    }
}

#[test]
fn the_content_can_not_be_seen_from_outside() {
    let sealed = seal(PLAIN, &keys(1).0).unwrap();
    assert!(!sealed.windows(5).any(|bytes| bytes == &PLAIN[4..9]));
}

#[test]
fn each_recipient_opens_it_alone_and_with_others_around() {
    let identities: Vec<_> = (0..3).map(|_| ConfigIdentity::generate()).collect();
    let recipients: Vec<_> = identities.iter().map(ConfigIdentity::recipient).collect();
    let sealed = seal(PLAIN, &recipients).unwrap();
    for identity in &identities {
        assert_eq!(*open(&sealed, &ConfigIdentities::of([identity.clone()]).unwrap()).unwrap(), *PLAIN);
        let among_others = [ConfigIdentity::generate(), identity.clone(), ConfigIdentity::generate()];
        assert_eq!(*open(&sealed, &ConfigIdentities::of(among_others).unwrap()).unwrap(), *PLAIN);
    }
}

#[test]
fn a_file_that_is_sealed_to_others_is_refused_and_the_identities_counted() {
    let sealed = seal(PLAIN, &keys(2).0).unwrap();
    let one = "the file is sealed to others: the one identity in memory does not open it";
    assert_eq!(refusal(&sealed, &keys(1).1), one);
    let three = "the file is sealed to others: none of the 3 identities in memory opens it";
    assert_eq!(refusal(&sealed, &keys(3).1), three);
}

#[test]
fn a_file_with_any_byte_changed_is_refused() {
    let (recipients, identities) = keys(2);
    let sealed = seal(PLAIN, &recipients).unwrap();
    for place in 0..sealed.len() {
        for bit in [0, 5] {
            let mut changed = sealed.clone();
            changed[place] ^= 1 << bit;
            let text = refusal(&changed, &identities);
            assert!(!text.starts_with("opened"), "bit {bit} of byte {place}");
        }
    }
    let changed = |place: usize| {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        refusal(&changed, &identities)
    };
    let last = sealed.len() - 1;
    assert_eq!(changed(last), "the file is not as it was sealed: it was changed, or cut short");
    assert_eq!(changed(0), "the file is not sealed (age)");
    assert_eq!(changed(20), "the file is sealed in an unknown version of age's format: seal it in version 1");
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let (recipients, identities) = keys(2);
    for plain in [PLAIN, b""] {
        let sealed = seal(plain, &recipients).unwrap();
        for length in 0..sealed.len() {
            let text = refusal(&sealed[..length], &identities);
            assert!(!text.starts_with("opened"), "cut after {length} of {} bytes", sealed.len());
            let expected = if length == 0 { "is not sealed" } else { "cut short" };
            assert!(text.contains(expected), "cut after {length} of {} bytes: {text}", sealed.len());
        }
    }
}

#[test]
fn a_file_that_is_cut_between_chunks_is_refused() {
    let (recipients, identities) = keys(1);
    let sealed = seal(&[7; 131_072 + 5], &recipients).unwrap();
    for chunks in [1, 2] {
        let rest = 131_072 + 5 + 3 * 16 - chunks * (65_536 + 16);
        assert!(refusal(&sealed[..sealed.len() - rest], &identities).contains("cut short"));
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let (recipients, identities) = keys(1);
    for length in [0, 5, 65_536] {
        let mut longer = seal(&vec![7; length], &recipients).unwrap();
        longer.push(0);
        assert!(!refusal(&longer, &identities).starts_with("opened"));
    }
}

#[test]
fn a_header_is_refused_in_no_time_however_many_stanzas_it_has() {
    let (_, identities) = keys(1);
    let began = Instant::now();
    let stanzas = with_stanzas(&stanza().repeat(4000));
    assert!(stanzas.len() > 390_000);
    assert!(
        refusal(&stanzas, &identities)
            .starts_with("the header of the sealed file does not end within 4096 bytes")
    );
    let line = with_stanzas(&format!("-> {}\n\n", "x".repeat(400_000)));
    assert!(
        refusal(&line, &identities)
            .starts_with("the header of the sealed file does not end within 4096 bytes")
    );
    // The time of age's parser grows with the square of the length. It would take seconds.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_header_of_the_largest_size_is_looked_at_and_one_byte_more_is_not() {
    let (_, identities) = keys(1);
    let header = |filler: usize| with_stanzas(&format!("{}-> {}\n\n", stanza(), "x".repeat(filler)));
    let room = MAX_HEADER_BYTES - (header(0).len() - 32);
    assert!(refusal(&header(room), &identities).starts_with("the file is sealed to others"));
    assert!(
        refusal(&header(room + 1), &identities).starts_with("the header of the sealed file does not end")
    );
}

#[test]
fn recipients_that_are_not_supported_are_named() {
    let (_, identities) = keys(1);
    let body = "\n\n";
    let text = refusal(&with_stanzas(&format!("-> scrypt c2FsdA 18{body}")), &identities);
    assert_eq!(text, "the file is sealed with a passphrase: seal it to a recipient (age --recipient age1..)");
    let text = refusal(&with_stanzas(&format!("-> ssh-ed25519 a b{body}-> piv-p256 c{body}")), &identities);
    let expected = "the file is sealed to \"ssh-ed25519\", \"piv-p256\", and only X25519 recipients (age1..) are supported";
    assert_eq!(text, expected);
    let text = refusal(&with_stanzas(&format!("-> a{body}").repeat(9)), &identities);
    assert!(text.contains("\"a\", \"a\", \"a\", \"a\", .., and only X25519"), "{text}");
}

#[test]
fn a_file_in_text_form_is_refused_with_the_cure() {
    let armored = b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5\n";
    assert!(is_sealed(armored));
    let expected = "the file is sealed in age's text form: seal it without --armor";
    assert_eq!(refusal(armored, &keys(1).1), expected);
}

#[test]
fn a_malformed_header_is_refused() {
    let (_, identities) = keys(1);
    for stanzas in
        ["", "->\n\n", "-> \n\n", "-> a  b\n\n", "-> a\n=\n", "-> a\n", "hello\n", "-> a\n\n\n", "-> ü\n\n"]
    {
        let text = refusal(&with_stanzas(stanzas), &identities);
        assert_eq!(text, "the header of the sealed file is malformed", "{stanzas:?}");
    }
    let too_long = format!("-> a\n{}\n\n", "A".repeat(65));
    assert_eq!(refusal(&with_stanzas(&too_long), &identities), "the header of the sealed file is malformed");
    // The form is right, but it is no key. age finds out.
    assert_eq!(
        refusal(&with_stanzas("-> X25519 AAAA\nAAAA\n"), &identities),
        "the header of the sealed file is malformed"
    );
}

#[test]
fn the_header_tells_how_many_recipients_there_are() {
    for count in [1, 5, MAX_RECIPIENTS] {
        let (recipients, identities) = keys(count);
        let sealed = seal(PLAIN, &recipients).unwrap();
        let header = SealedHeader::read(&sealed).unwrap();
        assert_eq!(header.recipients(), count);
        let others = header.stanza_types().iter().filter(|name| *name != "X25519");
        assert!(others.clone().all(|name| name.ends_with("-grease")), "{:?}", others.collect::<Vec<_>>());
        assert!(open(&sealed, &identities).is_ok());
    }
}

#[test]
fn what_could_not_be_opened_is_not_sealed() {
    assert_eq!(seal(PLAIN, &[]), Err(SealError::NoRecipient));
    let (recipients, identities) = keys(MAX_RECIPIENTS + 1);
    assert_eq!(
        seal(PLAIN, &recipients),
        Err(SealError::TooManyRecipients { recipients: MAX_RECIPIENTS + 1 })
    );
    let one = &recipients[..1];
    assert!(
        matches!(seal(&vec![0; MAX_FILE_BYTES], one), Err(SealError::TooLarge { bytes }) if bytes > MAX_FILE_BYTES)
    );
    assert!(matches!(seal(&vec![0; MAX_FILE_BYTES + 1], one), Err(SealError::TooLarge { .. })));
    let largest = seal(&vec![0; MAX_FILE_BYTES - 1000], one).unwrap();
    assert!(open(&largest, &identities).is_ok());
    assert_eq!(seal(&largest, one), Err(SealError::Sealed));
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_looked_at() {
    let (recipients, identities) = keys(1);
    let mut sealed = seal(PLAIN, &recipients).unwrap();
    sealed.resize(MAX_FILE_BYTES + 1, 0);
    assert_eq!(
        refusal(&sealed, &identities),
        "the file is larger than 512000 bytes, the most that a config may have"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_after_the_magic_never_panic(
        header in prop_oneof![Just("v1\n".to_owned()), Just(format!("v1\n{}", stanza())), "[-> \nvA-Za-z0-9]{0,80}"],
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        footer in any::<bool>(),
    ) {
        let (_, identities) = keys(1);
        let footer = if footer { format!("--- {}\n", "A".repeat(43)) } else { String::new() };
        let file = [MAGIC, header.as_bytes(), footer.as_bytes(), &bytes].concat();
        prop_assert!(open(&file, &identities).is_err());
        let file = [MAGIC, header.as_bytes(), &bytes, footer.as_bytes()].concat();
        prop_assert!(open(&file, &identities).is_err());
    }

    #[test]
    fn any_content_survives(plain in prop::collection::vec(any::<u8>(), 0..2000), count in 1..4_usize) {
        prop_assume!(!is_sealed(&plain));
        let (recipients, identities) = keys(count);
        let opened = open(&seal(&plain, &recipients).unwrap(), &identities).unwrap();
        prop_assert_eq!(&*opened, &plain[..]);
    }
}
