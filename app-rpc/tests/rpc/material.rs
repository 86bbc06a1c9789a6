//! Wrong files as other programs write them, and the texts of this project about configs with them.

use std::path::Path;
use std::process::Command;

use app_config::parse;
use app_rpc::EndpointConfig;

use crate::openssl;
use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::stand::{ENDPOINT, NAME, Spec};

/// The problems of a server config with these files.
fn told(key: &[u8], cert: &[u8], ca: &[u8], crl: &[u8]) -> Vec<String> {
    let empty = Issued { cert: String::new(), key: String::new() };
    let change = |mut spec: schema::rpc_capnp::rpc_server_spec::Builder<'_>| {
        let mut pair = spec.reborrow().init_server_cert();
        pair.set_key(key);
        pair.set_cert(cert);
        spec.set_ca_cert(ca);
        spec.set_crl(crl);
    };
    let message = Spec { server: &empty, ca: "", crl: "", change: &change }.message();
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let message = app_config::codec::unmarshal(&content[..]).unwrap();
    let problems = parse::<EndpointConfig<{ ENDPOINT.as_u64() }>>(message).err();
    let told: Vec<_> = problems.map(app_config::Problems::into_vec).unwrap_or_default();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    for line in &told {
        // The texts have no words of a library, no part of a key, and no cut texts.
        let foreign = ["rustls", "webpki", "http", "InvalidCertificate", "Error", "MII", "MC4C"];
        assert!(!foreign.iter().any(|part| line.contains(part)) && !line.ends_with(".."), "{line}");
    }
    told
}

fn good() -> Issued {
    AUTHORITY.issue(Leaf::server(&NAME.to_string()))
}

/// A config with another file of authorities.
fn with_ca(ca: &[u8]) -> Vec<String> {
    let good = good();
    told(good.key.as_bytes(), good.cert.as_bytes(), ca, b"")
}

/// A config with another file of certificates.
fn with_cert(issued: &Issued) -> Vec<String> {
    told(issued.key.as_bytes(), issued.cert.as_bytes(), AUTHORITY.pem().as_bytes(), b"")
}

const NONE: [&str; 0] = [];

#[test]
fn blocks_that_are_whole_are_read_however_they_are_laid_out() {
    let (one, two) = (AUTHORITY.pem(), Authority::new("another").pem());
    let (one, two) = (one.trim_end(), two.trim_end());
    let flat = |pem: &str| pem.replace('\n', " ");
    let indented: String = one.lines().map(|line| format!("    {line}\t\n")).collect();
    for (how, text) in [
        ("joined without a line break", format!("{one}{two}")),
        ("behind a byte order mark", format!("\u{feff}{one}\n{two}\n")),
        ("with line ends of Windows", format!("{one}\n{two}\n").replace('\n', "\r\n")),
        ("with line ends of old Macs", format!("{one}\n{two}\n").replace('\n', "\r")),
        ("indented", indented),
        ("on one line", format!("{} {}", flat(one), flat(two))),
        (
            "with comments",
            format!(
                "subject=CN = one\nissuer=CN = -- root --\n\n{one}\n# the end of one\n----------\n{two}\nbye"
            ),
        ),
        ("with the oldest label", one.replace("CERTIFICATE", "X509 CERTIFICATE")),
    ] {
        assert_eq!(with_ca(text.as_bytes()), NONE, "{how}");
    }
    // A refusal of too many certificates shows that both are read.
    let good = good();
    let chain = Issued { cert: format!("{}{}", good.cert.trim_end(), one.repeat(8)), key: good.key };
    assert_eq!(with_cert(&chain), ["serverCert.cert: must have at most 8 certificates, found 9"]);
}

#[test]
fn nothing_that_looks_like_a_block_is_skipped() {
    let one = AUTHORITY.pem();
    let lines: Vec<_> = one.lines().collect();
    let [begin, inside @ .., end] = lines.as_slice() else { panic!("{one}") };
    let inside = inside.join("\n");
    let second = lines.len() + 1;
    let marker = |line: usize| {
        format!(
            "line {line} looks like a BEGIN or END line, and is none; it needs a line of its own, with five hyphens before and after"
        )
    };
    let again = "copy the file again, as a whole";
    for (text, expected) in [
        (one.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "is a TRUSTED CERTIFICATE, which has settings of openssl in it; convert it: openssl x509 -in FILE -out FILE.pem".to_owned()),
        (format!("{begin}\n{inside}\n"), format!("has no END line; {again}")),
        (format!("{inside}\n{end}\n"), format!("looks like the inside of a block whose BEGIN line is missing; {again}")),
        (format!("{end}\n"), format!("has an END line without a BEGIN line; {again}")),
        (format!("{begin}\n{inside}\n{begin}\n{inside}\n{end}\n"), format!("has no END line; {again}")),
        (format!("{begin}\n{inside}\n-----END X509 CRL-----\n"), format!("ends as \"X509 CRL\", which it did not begin as; {again}")),
        (format!("{begin}\n{end}\n"), format!("is empty; {again}")),
        (format!("{begin}\n{}\n{end}\n", &inside[..inside.len() - 3]), format!("is cut short or damaged; {again}")),
        (format!("{begin}\n{inside}!\n{end}\n"), format!("is damaged: line {} is not base64; {again}", second + lines.len() - 2)),
        (one.replace("-----BEGIN", "----BEGIN"), marker(second)),
        (one.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE"), String::new()),
        (one.replace("-----BEGIN", "------BEGIN"), String::new()),
        (one.replace("BEGIN", "Begin"), marker(second)),
        (one.replace("-----", "\u{2014}\u{2014}-"), marker(second)),
        (one.replace("-----BEGIN", "# -----BEGIN"), String::new()),
        (one.replace("-----BEGIN", "BEGIN"), marker(second)),
    ] {
        let found = with_ca(format!("{one}{text}").as_bytes());
        let [found] = found.as_slice() else { panic!("{text}: {found:?}") };
        let named = found.starts_with("caCert: block 2 (line ") || found.starts_with("caCert: line ");
        assert!(named && found.contains(&expected), "{text}\n{found}");
        assert!(found.contains(&format!("line {second}")) || found.contains("is not base64") || found.contains("looks like"), "{found}");
    }
}

#[test]
fn files_that_are_no_pem_are_told_apart() {
    let wide: Vec<u8> = AUTHORITY.pem().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &wide].concat();
    let one = AUTHORITY.pem();
    let bare: String =
        one.lines().filter(|line| !line.starts_with('-')).map(|line| format!("{line}\n")).collect();
    let escaped = one.replace('\n', "\\n");
    for (content, expected) in [
        (&b""[..], "has to be given"),
        (b" \r\n\t\n", "has nothing but blanks; give certificates in PEM"),
        (b"@ca.pem", "must be certificates in PEM: it has no line -----BEGIN CERTIFICATE-----"),
        (b"\x00\x01\x02junk\xff\xfe\x00", "is binary, not PEM; give certificates in PEM"),
        (&wide, "is text in UTF-16; save it as UTF-8 or ASCII"),
        (&marked, "is text in UTF-16; save it as UTF-8 or ASCII"),
        (
            bare.as_bytes(),
            "is base64 without markers; put the lines -----BEGIN CERTIFICATE----- and -----END CERTIFICATE----- around it",
        ),
        (escaped.as_bytes(), "has \\n written out in place of line breaks; write real line breaks"),
        (
            b"age-encryption.org/v1\n-> X25519 abc\n",
            "is encrypted with age; decrypt it first: age --decrypt -i IDENTITY -o FILE.pem FILE",
        ),
        (b"ssh-ed25519 AAAAC3 me@here\n", "is a public key of SSH; give certificates in PEM"),
        (
            b"PuTTY-User-Key-File-3: ssh-ed25519\n",
            "is a key of PuTTY, not PEM; make a key with openssl genpkey or appctl pki",
        ),
    ] {
        assert_eq!(with_ca(content), [format!("caCert: {expected}")]);
    }
}

#[test]
fn certificates_that_no_peer_would_take_are_refused() {
    let name = NAME.to_string();
    let expired = with_cert(&AUTHORITY.issue(Leaf::server(&name).years(2001, 2002)));
    assert_eq!(
        expired,
        [
            "serverCert.cert: block 1 (line 1) expired at 2002-01-01T00:00:00Z; have a new certificate issued (appctl pki renew)"
        ]
    );
    let early = with_cert(&AUTHORITY.issue(Leaf::server(&name).years(2200, 2201)));
    assert_eq!(
        early,
        [
            "serverCert.cert: block 1 (line 1) is not valid before 2200-01-01T00:00:00Z; wait, have a new certificate \
          issued, or set the clock of this machine"
        ]
    );
    let (between, other) = (AUTHORITY.intermediate("between"), AUTHORITY.intermediate("other"));
    let mut turned = between.issue(Leaf::server(&name));
    let second = between.pem().lines().count() + 1;
    turned.cert = format!("{}{}", between.pem(), turned.cert);
    assert_eq!(
        with_cert(&turned),
        [format!(
            "serverCert.cert: has the chain in the wrong order: block 2 (line {second}) is the certificate of the key; put it first, \
             and each authority behind what it signed"
        )]
    );
    let foreign = Issued { key: good().key, ..good() };
    assert_eq!(
        with_cert(&foreign),
        ["serverCert.key: is not the key of the certificate; give the two that were made together"]
    );
    // After the certificate, the order does not matter, and the chain may have more than necessary.
    let more = between.issue_with(Leaf::server(&name), &[&other, &between, &AUTHORITY]);
    assert_eq!(with_cert(&more), NONE);
    let good = good();
    let stale = AUTHORITY.crl(&[], 2021);
    let told =
        |ca: &str, crl: &str| told(good.key.as_bytes(), good.cert.as_bytes(), ca.as_bytes(), crl.as_bytes());
    assert_eq!(
        told(&AUTHORITY.pem(), &stale),
        [
            "crl: block 1 (line 1) is stale since 2021-12-31T00:00:00Z, and would refuse everybody; make a new list (appctl pki crl)"
        ]
    );
    // A good authority still accepts its own clients.
    let another = Authority::new("another");
    let both = format!("{}{}", AUTHORITY.pem(), another.pem());
    assert_eq!(told(&both, &format!("{stale}{}", another.crl(&[], 2100))), NONE);
}

/// Runs openssl in a folder, and returns the file that it made.
fn made(folder: &Path, args: &str) -> Vec<u8> {
    let output = Command::new("openssl").current_dir(folder).args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join("out")).unwrap()
}

#[test]
fn keys_that_openssl_makes_are_read_or_refused_by_their_kind() {
    if !openssl::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let issued = good();
    std::fs::write(folder.path().join("key"), &issued.key).unwrap();
    let openssl = |args: &str| made(folder.path(), args);
    let encrypted =
        "block 1 (line 1) is an encrypted private key; decrypt it: openssl pkey -in FILE -out FILE.pem";
    let kinds = "which is not supported; use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits";
    let weak = "is an RSA key of 1024 bits, which peers refuse; use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits";
    let of = |kind: &str| format!("is a key of kind {kind}, {kinds}");
    let other = "is not the key of the certificate; give the two that were made together";
    let with_key = |key: &[u8]| told(key, issued.cert.as_bytes(), AUTHORITY.pem().as_bytes(), b"");
    let taken = |args: &str| assert_eq!(with_key(&openssl(args)), NONE, "{args}");
    taken("pkey -in key -out out");
    taken("ec -in key -out out");
    for (args, expected) in [
        ("pkcs8 -topk8 -in key -v2 aes256 -passout pass:x -out out", encrypted.to_owned()),
        ("pkcs8 -topk8 -in key -v1 PBE-SHA1-3DES -passout pass:x -out out", encrypted.to_owned()),
        ("ec -in key -aes256 -passout pass:x -out out", encrypted.to_owned()),
        ("genrsa -traditional -aes128 -passout pass:x -out out 2048", encrypted.to_owned()),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -quiet -out out", other.to_owned()),
        ("genrsa -traditional -out out 2048", other.to_owned()),
        ("genpkey -algorithm ED25519 -out out", other.to_owned()),
        ("ecparam -name prime256v1 -genkey -out out", other.to_owned()),
        ("genrsa -out out 1024", weak.to_owned()),
        ("genrsa -traditional -out out 1024", weak.to_owned()),
        ("ecparam -name secp521r1 -genkey -out out", of("ECDSA P-521")),
        ("ecparam -name secp256k1 -genkey -noout -out out", of("ECDSA secp256k1")),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out out", of("ECDSA P-521")),
        ("genpkey -algorithm ED448 -out out", of("Ed448")),
        ("genpkey -algorithm X25519 -out out", of("X25519")),
        ("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -quiet -out out", of("RSA-PSS")),
        (
            "pkey -in key -pubout -out out",
            "block 1 (line 1) is a public key; give a private key here".to_owned(),
        ),
        (
            "pkey -in key -outform DER -out out",
            "is DER (binary), not PEM; convert it: openssl pkey -inform DER -in FILE -out FILE.pem"
                .to_owned(),
        ),
        (
            "ecparam -name prime256v1 -out out",
            "must be a private key in PEM: it has no line -----BEGIN PRIVATE KEY-----".to_owned(),
        ),
    ] {
        assert_eq!(with_key(&openssl(args)), [format!("serverCert.key: {expected}")], "{args}");
    }
}

#[test]
fn certificates_that_openssl_makes_are_read_or_refused_by_their_kind() {
    if !openssl::is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let issued = good();
    std::fs::write(folder.path().join("key"), &issued.key).unwrap();
    std::fs::write(folder.path().join("cert"), &issued.cert).unwrap();
    let openssl = |args: &str| made(folder.path(), args);
    let told = |cert: &[u8]| told(issued.key.as_bytes(), cert, AUTHORITY.pem().as_bytes(), b"");
    assert_eq!(told(&openssl("x509 -in cert -text -out out")), NONE);
    for (args, expected) in [
        (
            "x509 -in cert -trustout -addtrust clientAuth -out out",
            "block 1 (line 1) is a TRUSTED CERTIFICATE, which has settings of openssl in it; convert it: openssl x509 -in FILE -out \
             FILE.pem",
        ),
        (
            "x509 -in cert -outform DER -out out",
            "is DER (binary), not PEM; convert it: openssl x509 -inform DER -in FILE -out FILE.pem",
        ),
        (
            "pkcs12 -export -in cert -inkey key -passout pass:x -out out",
            "is a PKCS #12 file (.p12, .pfx), not PEM; take out what belongs here: openssl pkcs12 -in FILE -nokeys -out FILE.pem",
        ),
        (
            "crl2pkcs7 -nocrl -certfile cert -out out",
            "block 1 (line 1) is a PKCS #7 bundle; take its certificates out: openssl pkcs7 -in FILE -print_certs -out FILE.pem",
        ),
        (
            "req -new -key key -subj /CN=x -out out",
            "block 1 (line 1) is a certificate request (CSR); have an authority sign it, and give the certificate that comes back",
        ),
    ] {
        assert_eq!(told(&openssl(args)), [format!("serverCert.cert: {expected}")], "{args}");
    }
    openssl("genrsa -out out 1024");
    std::fs::rename(folder.path().join("out"), folder.path().join("weak")).unwrap();
    let weak = openssl("req -x509 -new -key weak -subj /CN=weak -days 9 -out out");
    assert_eq!(
        with_ca(&weak),
        [
            "caCert: block 1 (line 1) has an RSA key of 1024 bits, which peers refuse; have a new certificate issued"
        ]
    );
}
