//! Authorities, and what they issue.

use std::fmt;

use app_config::SecretBytes;
use app_tls::{RpcName, pem};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;

use crate::errors::crypto;
use crate::info::{CertificateInfo, certificates, parse};
use crate::key::Key;
use crate::{ClientName, KeyKind, PkiError, Revoked, Serial, Validity};

/// What an authority is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthorityOptions {
    /// Its name, for people: 1 to 64 printable characters. No two authorities that are trusted together should have the same.
    pub name: String,
    /// When it is valid.
    pub validity: Validity,
    /// The kind of its key.
    pub key: KeyKind,
    /// How many authorities may follow under it in a chain: 0, which is the default, if it signs servers and clients alone. Peers
    /// take up to 6 in a chain.
    pub path_length: u8,
}

impl AuthorityOptions {
    /// For servers and clients alone, with a key of the default kind.
    #[must_use]
    pub fn new(name: impl Into<String>, validity: Validity) -> Self {
        Self { name: name.into(), validity, key: KeyKind::default(), path_length: 0 }
    }

    /// Another kind of key.
    #[must_use]
    pub fn key(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }

    /// With room for authorities under it.
    #[must_use]
    pub fn path_length(mut self, path_length: u8) -> Self {
        self.path_length = path_length;
        self
    }

    fn params(&self) -> Result<CertificateParams, PkiError> {
        let printable = !self.name.chars().any(char::is_control) && !self.name.trim().is_empty();
        if !printable || self.name.chars().count() > 64 {
            return Err(PkiError::AuthorityName);
        }
        let mut params = params(&self.name, self.validity, &Serial::random()?)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(self.path_length));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    }
}

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The server of an RPC service: it may be a server alone.
    Server(RpcName),
    /// A client: it may be a client alone.
    Client(ClientName),
}

impl Subject {
    /// The name (DNS) in the certificate.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Server(name) => name.to_string(),
            Self::Client(name) => name.to_string(),
        }
    }
}

/// What the certificate of a server or a client is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeafOptions {
    /// When it is valid. Not longer than its authority.
    pub validity: Validity,
    /// The kind of its key.
    pub key: KeyKind,
}

impl LeafOptions {
    /// Of this validity, with a key of the default kind.
    #[must_use]
    pub fn new(validity: Validity) -> Self {
        Self { validity, key: KeyKind::default() }
    }

    /// From now for so many days.
    #[must_use]
    pub fn days(days: u32) -> Self {
        Self::new(Validity::days(days))
    }

    /// Another kind of key.
    #[must_use]
    pub fn key(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }
}

/// A certificate that was issued, and its key.
pub struct Issued {
    /// PEM: the certificate, and those between it and the root.
    pub certificate: String,
    /// PEM, PKCS #8.
    pub key: SecretBytes,
    /// What the certificate says.
    pub info: CertificateInfo,
}

/// An authority: a key, its certificate, and those of the authorities above it but for the root.
pub struct Authority {
    key: Key,
    der: CertificateDer<'static>,
    info: CertificateInfo,
    /// PEM: its own, then those above.
    chain: String,
    is_root: bool,
}

impl Authority {
    /// Makes one that nobody is above.
    ///
    /// # Errors
    /// The name or the validity is none.
    pub fn root(options: &AuthorityOptions) -> Result<Self, PkiError> {
        let (params, key) = (options.params()?, Key::generate(options.key)?);
        let certificate = params.self_signed(key.pair()).map_err(crypto)?;
        Self::of(key, certificate.der().clone(), certificate.pem())
    }

    /// Makes one under this one.
    ///
    /// # Errors
    /// [`PkiError::PathLength`], [`PkiError::OutlivesAuthority`]; the name or the validity is none.
    pub fn intermediate(&self, options: &AuthorityOptions) -> Result<Self, PkiError> {
        if self.path_length()?.is_some_and(|most| u32::from(options.path_length) >= most) {
            return Err(PkiError::PathLength);
        }
        self.check_outlives(options.validity)?;
        let (mut params, key) = (options.params()?, Key::generate(options.key)?);
        // Peers find the authority of a certificate or a list by its name.
        for above in certificates(self.chain.as_bytes())? {
            let above = parse(&above)?;
            let name = |name: &str| name == options.name;
            if [above.subject(), above.issuer()].into_iter().any(|above| common_name(above).is_some_and(name))
            {
                return Err(PkiError::SameName);
            }
        }
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key.pair(), &self.issuer()?).map_err(crypto)?;
        Self::of(key, certificate.der().clone(), certificate.pem() + self.chain_below_root())
    }

    /// Reads one: its private key (PKCS #8), and its certificate, followed by those of the authorities above it but for the root.
    ///
    /// # Errors
    /// Either is no such thing, or they do not belong together.
    pub fn from_pem(key: &[u8], chain: &[u8]) -> Result<Self, PkiError> {
        let key = Key::from_pem(key)?;
        let mut chain = certificates(chain)?;
        let text = chain.iter().map(|der| pem::write("CERTIFICATE", der)).collect();
        Self::of(key, chain.swap_remove(0), text)
    }

    fn of(key: Key, der: CertificateDer<'static>, chain: String) -> Result<Self, PkiError> {
        let info = CertificateInfo::from_der(&der)?;
        let parsed = parse(&der)?;
        if !parsed.is_ca() {
            return Err(PkiError::NoAuthority);
        }
        if parsed.public_key().raw != key.public() {
            return Err(PkiError::KeyOfAnother);
        }
        let is_root = parsed.subject().as_raw() == parsed.issuer().as_raw();
        Ok(Self { key, der, info, chain, is_root })
    }

    /// What its certificate says.
    #[must_use]
    pub fn info(&self) -> &CertificateInfo {
        &self.info
    }

    /// Its certificate, and those of the authorities above it but for the root; of a root its own. PEM.
    #[must_use]
    pub fn chain_pem(&self) -> &str {
        &self.chain
    }

    /// Its certificate, PEM, if it is a root: what peers trust.
    #[must_use]
    pub fn root_pem(&self) -> Option<&str> {
        self.is_root.then_some(&self.chain)
    }

    /// Its private key, PEM, PKCS #8.
    #[must_use]
    pub fn key_pem(&self) -> SecretBytes {
        self.key.pem()
    }

    /// Makes a certificate and its key.
    ///
    /// # Errors
    /// [`PkiError::OutlivesAuthority`]; the validity is none.
    pub fn issue(&self, subject: &Subject, options: &LeafOptions) -> Result<Issued, PkiError> {
        self.check_outlives(options.validity)?;
        let (name, usage) = match subject {
            Subject::Server(name) => (name.to_string(), ExtendedKeyUsagePurpose::ServerAuth),
            Subject::Client(name) => (name.to_string(), ExtendedKeyUsagePurpose::ClientAuth),
        };
        let mut params = params(&name, options.validity, &Serial::random()?)?;
        params.subject_alt_names = vec![SanType::DnsName(name.as_str().try_into().map_err(crypto)?)];
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = Key::generate(options.key)?;
        let certificate = params.signed_by(key.pair(), &self.issuer()?).map_err(crypto)?;
        let info = CertificateInfo::from_der(certificate.der())?;
        Ok(Issued { certificate: certificate.pem() + self.chain_below_root(), key: key.pem(), info })
    }

    /// Whether it issued this certificate, by the signature: PEM.
    ///
    /// # Errors
    /// [`PkiError::Foreign`]; it is no certificate.
    pub fn check_issued(&self, certificate: &[u8]) -> Result<(), PkiError> {
        let leaf = certificates(certificate)?.swap_remove(0);
        let (leaf, own) = (parse(&leaf)?, parse(&self.der)?);
        let same_name = leaf.issuer().as_raw() == own.subject().as_raw();
        if same_name && leaf.verify_signature(Some(own.public_key())).is_ok() {
            return Ok(());
        }
        Err(PkiError::Foreign)
    }

    /// Makes a revocation list of this authority, in PEM. `number` is larger than that of every list before. `validity` ends when
    /// the next list has to be in place: after that, peers with this list refuse everybody that this authority signed for.
    ///
    /// Peers need the list of every authority in a chain. So a server that trusts an authority with others under it gets the
    /// lists of all of them, one after another.
    ///
    /// # Errors
    /// [`PkiError::Validity`].
    pub fn crl(&self, revoked: &[Revoked], number: u64, validity: Validity) -> Result<String, PkiError> {
        validity.check()?;
        let revoked_certs = revoked.iter().map(|revoked| RevokedCertParams {
            serial_number: SerialNumber::from_slice(revoked.serial.as_bytes()),
            revocation_time: revoked.at.into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: validity.not_before.into(),
            next_update: validity.not_after.into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: self.key_id().map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified),
        };
        params.signed_by(&self.issuer()?).and_then(|crl| crl.pem()).map_err(crypto)
    }

    fn issuer(&self) -> Result<Issuer<'_, &rcgen::KeyPair>, PkiError> {
        Issuer::from_ca_cert_der(&self.der, self.key.pair()).map_err(crypto)
    }

    /// How its key is called in what it signs; `None` if its certificate does not say.
    fn key_id(&self) -> Option<Vec<u8>> {
        let parsed = parse(&self.der).ok()?;
        parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
    }

    /// What follows the certificate of whom it signs.
    fn chain_below_root(&self) -> &str {
        if self.is_root { "" } else { &self.chain }
    }

    fn path_length(&self) -> Result<Option<u32>, PkiError> {
        let parsed = parse(&self.der)?;
        let constraints = parsed.basic_constraints().map_err(|_| PkiError::Damaged("certificate"))?;
        Ok(constraints.and_then(|constraints| constraints.value.path_len_constraint))
    }

    fn check_outlives(&self, validity: Validity) -> Result<(), PkiError> {
        let authority = self.info.validity.not_after;
        if validity.not_after > authority { Err(PkiError::OutlivesAuthority { authority }) } else { Ok(()) }
    }
}

fn common_name<'a>(name: &'a x509_parser::x509::X509Name<'_>) -> Option<&'a str> {
    name.iter_common_name().next().and_then(|name| name.as_str().ok())
}

fn params(name: &str, validity: Validity, serial: &Serial) -> Result<CertificateParams, PkiError> {
    validity.check()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = validity.not_before.into();
    params.not_after = validity.not_after.into();
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    Ok(params)
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("info", &self.info).finish_non_exhaustive()
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("info", &self.info).finish_non_exhaustive()
    }
}
