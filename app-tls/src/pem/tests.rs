//! The PEM reader reads what was written, and no text makes it panic.

use proptest::prelude::*;

use super::*;

fn count(text: &[u8], wanted: PemContent) -> Result<usize, String> {
    read(text, wanted).map(|blocks| blocks.len()).map_err(|error| error.to_string())
}

#[test]
fn a_block_knows_where_it_began_and_parameters_before_a_key_are_no_key() {
    let text = format!(
        "# two\r\n{}\r\n\r{}",
        write("EC PARAMETERS", b"ignored"),
        write("EC PRIVATE KEY", b"content").replace('\n', "\r\n")
    );
    let blocks = read(text.as_bytes(), PemContent::Key).unwrap();
    let [block] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    assert_eq!((block.position.block, block.position.line), (2, 7));
    assert_eq!((block.encoding, block.der.as_slice()), (Encoding::Sec1, &b"content"[..]));
}

#[test]
fn headers_of_a_block_are_no_content_and_an_encrypted_key_is_told() {
    let with = |headers: &str| write("RSA PRIVATE KEY", &[7; 90]).replacen('\n', &format!("\n{headers}"), 1);
    assert_eq!(count(with("Comment: mine\n\n").as_bytes(), PemContent::Key), Ok(1));
    let encrypted = with("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n");
    let told = count(encrypted.as_bytes(), PemContent::Key).unwrap_err();
    assert!(told.contains("is an encrypted private key; decrypt it: openssl pkey"), "{told}");
}

#[test]
fn many_blocks_take_time_in_proportion() {
    let text = write("CERTIFICATE", b"x").repeat(20_000);
    assert_eq!(count(text.as_bytes(), PemContent::Certificates), Ok(20_000));
}

proptest! {
    #[test]
    fn what_is_written_is_read(contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..5)) {
        let text: String = contents.iter().map(|content| write("CERTIFICATE", content)).collect();
        let blocks = read(text.as_bytes(), PemContent::Certificates).unwrap();
        let found: Vec<_> = blocks.into_iter().map(|block| block.der).collect();
        prop_assert_eq!(found, contents);
    }

    /// The reader finds as many blocks as the text has markers, or refuses the text. It skips none.
    #[test]
    fn every_marker_counts_or_the_text_is_refused(
        parts in prop::collection::vec(prop::sample::select(vec![
            "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "-----BEGIN X509 CRL-----", "-----", "-", "\n", "\r",
            "MIIB", "=", " ", "text", "BEGIN ", "END ", "\u{2014}", "\\n", ":", "CERTIFICATE",
        ]), 0..24),
    ) {
        let text = parts.concat();
        if let Ok(found) = count(text.as_bytes(), PemContent::Certificates) {
            prop_assert_eq!(text.matches("-----BEGIN CERTIFICATE-----").count(), found);
            prop_assert_eq!(text.matches("-----END CERTIFICATE-----").count(), found);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for wanted in [PemContent::Certificates, PemContent::Key, PemContent::Crls] {
            let _ = count(&bytes, wanted);
        }
    }
}
