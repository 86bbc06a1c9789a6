//! Errors of PEM: what is wrong and what to do.

use std::fmt;

use app_config::Expected;

use super::{PemContent, Position};

/// Why a text was refused: the fault and its block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PemError {
    /// The block. `None` if the whole text is wrong.
    pub position: Option<Position>,
    /// The fault.
    pub fault: PemFault,
    /// What the text should contain.
    pub wanted: PemContent,
}

/// What is wrong with a text or a block. It never has the content of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemFault {
    /// The text is empty.
    Missing,
    /// The text has only blanks.
    Blank,
    /// The text has no block.
    NoBlock,
    /// The text is DER.
    Der,
    /// The text is a PKCS #12 file.
    Pkcs12,
    /// The text is encrypted with age.
    Age,
    /// The text is a key of `PuTTY`.
    Putty,
    /// The text is a public key of SSH.
    Ssh,
    /// The text is a key store of Java.
    Jks,
    /// The text is UTF-16.
    Utf16,
    /// The bytes are not text.
    Binary,
    /// The text is base64 without markers.
    BareBase64,
    /// Line breaks are written as `\n`.
    EscapedLineBreaks,
    /// This line looks like a marker, and is not exact.
    Marker(usize),
    /// This line looks like the content of a block, and is outside of all blocks.
    Body(usize),
    /// The block has an END line, and no BEGIN line.
    NoBegin,
    /// The block has no END line.
    NoEnd,
    /// The label of the END line is this, which the BEGIN line does not have.
    EndOfAnother(String),
    /// The block has this label, which is of the wrong kind.
    Kind(String),
    /// The block is an encrypted key.
    Encrypted,
    /// This line is not base64.
    NotBase64(usize),
    /// The base64 is incomplete.
    CutShort,
    /// The block is empty.
    EmptyBlock,
}

impl PemError {
    pub(super) fn whole(fault: PemFault, wanted: PemContent) -> Self {
        Self { position: None, fault, wanted }
    }

    pub(super) fn of_block(position: Position, fault: PemFault, wanted: PemContent) -> Self {
        Self { position: Some(position), fault, wanted }
    }
}

impl PemError {
    /// The same as `Display` without labels of blocks: a label is content, which texts about sealed configs leave out.
    pub(crate) fn rule(&self) -> Expected {
        let fault = match &self.fault {
            // Only a text that repeats an unknown label needs a replacement.
            PemFault::Kind(label) if self.to_string().contains(&quoted(label)) => {
                "is a block of another kind"
            }
            PemFault::EndOfAnother(_) => "has an END line of another kind",
            _ => return Expected::of_code(self),
        };
        let (noun, label) = (self.wanted.noun(), self.wanted.label());
        let block = self.position.map(|position| format!("{position} ")).unwrap_or_default();
        Expected::of_code(format_args!("{block}{fault}; give {noun} here, in blocks of {label}"))
    }
}

impl PemContent {
    /// The label of a block of this kind.
    fn label(self) -> &'static str {
        match self {
            Self::Certificates => "CERTIFICATE",
            Self::Key => "PRIVATE KEY",
            Self::Crls => "X509 CRL",
        }
    }

    /// What it is, in words.
    fn noun(self) -> &'static str {
        match self {
            Self::Certificates => "certificates",
            Self::Key => "a private key",
            Self::Crls => "revocation lists",
        }
    }

    /// The openssl command that converts it.
    fn tool(self) -> &'static str {
        match self {
            Self::Certificates => "openssl x509",
            Self::Key => "openssl pkey",
            Self::Crls => "openssl crl",
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(f, "{position} ")?;
        }
        match &self.fault {
            PemFault::Kind(label) => return kind(label, self.wanted, f),
            PemFault::Encrypted => return encrypted(f),
            _ => {}
        }
        if self.position.is_some() { self.fmt_block(f) } else { self.fmt_whole(f) }
    }
}

impl PemError {
    fn fmt_whole(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted;
        let (noun, tool) = (wanted.noun(), wanted.tool());
        match &self.fault {
            PemFault::Missing => f.write_str("has to be given"),
            PemFault::Blank => write!(f, "has nothing but blanks; give {noun} in PEM"),
            PemFault::Der => write!(
                f,
                "is DER (binary), not PEM; convert it: {tool} -inform DER -in FILE -out FILE.pem"
            ),
            PemFault::Pkcs12 => {
                let what = if wanted == PemContent::Key { "-nocerts -noenc" } else { "-nokeys" };
                write!(
                    f,
                    "is a PKCS #12 file (.p12, .pfx), not PEM; take out what belongs here: \
                     openssl pkcs12 -in FILE {what} -out FILE.pem"
                )
            }
            PemFault::Age => {
                f.write_str("is encrypted with age; decrypt it first: age --decrypt -i IDENTITY -o FILE.pem FILE")
            }
            PemFault::Putty => f.write_str("is a key of PuTTY, not PEM; make a key with openssl genpkey or appctl pki"),
            PemFault::Ssh => write!(f, "is a public key of SSH; give {noun} in PEM"),
            PemFault::Jks => f.write_str(
                "is a Java key store, not PEM; convert it with keytool -importkeystore -deststoretype pkcs12, then openssl pkcs12",
            ),
            PemFault::Utf16 => f.write_str("is text in UTF-16; save it as UTF-8 or ASCII"),
            PemFault::Binary => write!(f, "is binary, not PEM; give {noun} in PEM"),
            PemFault::BareBase64 => write!(
                f,
                "is base64 without markers; put the lines -----BEGIN {0}----- and -----END {0}----- around it",
                wanted.label()
            ),
            PemFault::EscapedLineBreaks => {
                f.write_str("has \\n written out in place of line breaks; write real line breaks")
            }
            PemFault::NoBlock => write!(f, "must be {noun} in PEM: it has no line -----BEGIN {}-----", wanted.label()),
            PemFault::Marker(line) => marker(*line, f),
            PemFault::Body(line) => write!(
                f,
                "line {line} looks like the inside of a block whose BEGIN line is missing; copy the file again, as a whole"
            ),
            _ => self.fmt_block(f),
        }
    }

    fn fmt_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            PemFault::Marker(line) => {
                f.write_str("is not readable: ")?;
                marker(*line, f)
            }
            PemFault::NoBegin => {
                f.write_str("has an END line without a BEGIN line; copy the file again, as a whole")
            }
            PemFault::NoEnd => f.write_str("has no END line; copy the file again, as a whole"),
            PemFault::EndOfAnother(label) => {
                write!(
                    f,
                    "ends as {}, which it did not begin as; copy the file again, as a whole",
                    quoted(label)
                )
            }
            PemFault::NotBase64(line) => {
                write!(f, "is damaged: line {line} is not base64; copy the file again, as a whole")
            }
            PemFault::EscapedLineBreaks => {
                f.write_str("has \\n written out in place of line breaks; write real line breaks")
            }
            PemFault::EmptyBlock => f.write_str("is empty; copy the file again, as a whole"),
            _ => f.write_str("is cut short or damaged; copy the file again, as a whole"),
        }
    }
}

impl std::error::Error for PemError {}

fn marker(line: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "line {line} looks like a BEGIN or END line, and is none; it needs a line of its own, with five hyphens before and after"
    )
}

fn encrypted(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("is an encrypted private key; decrypt it: openssl pkey -in FILE -out FILE.pem")
}

fn quoted(label: &str) -> String {
    app_config::quoted(label)
}

/// Says what a block of the wrong kind is, and what to do with it.
fn kind(label: &str, wanted: PemContent, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let noun = wanted.noun();
    match label {
        "ENCRYPTED PRIVATE KEY" if wanted == PemContent::Key => encrypted(f),
        "TRUSTED CERTIFICATE" => f.write_str(
            "is a TRUSTED CERTIFICATE, which has settings of openssl in it; convert it: openssl x509 -in FILE -out FILE.pem",
        ),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => f.write_str(
            "is a certificate request (CSR); have an authority sign it, and give the certificate that comes back",
        ),
        "CERTIFICATE" | "X509 CERTIFICATE" => write!(f, "is a certificate; put it where certificates belong, and give {noun} here"),
        "X509 CRL" => write!(f, "is a revocation list; put it into crl, and give {noun} here"),
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "SSH2 PUBLIC KEY" => write!(f, "is a public key; give {noun} here"),
        "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA" => f.write_str(
            "is a PKCS #7 bundle; take its certificates out: openssl pkcs7 -in FILE -print_certs -out FILE.pem",
        ),
        "OPENSSH PRIVATE KEY" if wanted == PemContent::Key => f.write_str(
            "is a private key of OpenSSH; make a key with openssl genpkey or appctl pki",
        ),
        "DSA PRIVATE KEY" if wanted == PemContent::Key => {
            f.write_str("is a DSA key, which is not supported; use ECDSA P-256 or P-384, Ed25519 or RSA")
        }
        "ATTRIBUTE CERTIFICATE" => write!(f, "is an attribute certificate; give {noun} here"),
        label if label.ends_with("PARAMETERS") => {
            write!(f, "is {}: remove it, and give {noun} alone", quoted(label))
        }
        label if label.ends_with("PRIVATE KEY") => write!(
            f,
            "is a private key; remove it: {}",
            if wanted == PemContent::Key { "its kind is not supported" } else { "a key belongs into the field or file for keys alone" }
        ),
        label => write!(f, "is {}, which is not known; give {noun} here", quoted(label)),
    }
}
