//! Authorities, and the certificates and lists that they sign.

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

/// Options of a new authority.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthorityOptions {
    /// Its name: 1 to 64 printable characters. Authorities that are trusted together should have different names.
    pub name: String,
    /// When it is valid.
    pub validity: Validity,
    /// The kind of its key.
    pub key: KeyKind,
    /// How many authorities may follow under it in a chain. With 0, the default, it signs only servers and clients. Peers accept
    /// up to 6 authorities in a chain.
    pub path_length: u8,
}

impl AuthorityOptions {
    /// An authority for servers and clients only, with a key of the default kind.
    #[must_use]
    pub fn new(name: impl Into<String>, validity: Validity) -> Self {
        Self { name: name.into(), validity, key: KeyKind::default(), path_length: 0 }
    }

    /// Sets the kind of the key.
    #[must_use]
    pub fn key(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }

    /// Sets how many authorities may follow under it in a chain.
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

/// The owner of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The server of an RPC service. Its certificate is only for servers.
    Server(RpcName),
    /// A client. Its certificate is only for clients.
    Client(ClientName),
}

impl Subject {
    /// The DNS name in the certificate.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Server(name) => name.to_string(),
            Self::Client(name) => name.to_string(),
        }
    }
}

/// Options of a new certificate for a server or a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeafOptions {
    /// When it is valid. It must not end after its authority.
    pub validity: Validity,
    /// The kind of its key.
    pub key: KeyKind,
}

impl LeafOptions {
    /// A certificate with this validity, and a key of the default kind.
    #[must_use]
    pub fn new(validity: Validity) -> Self {
        Self { validity, key: KeyKind::default() }
    }

    /// A certificate that is valid from now for this many days.
    #[must_use]
    pub fn days(days: u32) -> Self {
        Self::new(Validity::days(days))
    }

    /// Sets the kind of the key.
    #[must_use]
    pub fn key(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }
}

/// A new certificate and its key.
#[non_exhaustive]
pub struct Issued {
    /// The certificate, and those between it and the root, in PEM.
    pub certificate: String,
    /// The private key in PEM (PKCS #8).
    pub key: SecretBytes,
    /// What the certificate says.
    pub info: CertificateInfo,
}

/// An authority: a key, its certificate, and the certificates of the authorities above it without the root.
pub struct Authority {
    key: Key,
    der: CertificateDer<'static>,
    info: CertificateInfo,
    /// Its own certificate, then those above without the root, in PEM.
    chain: String,
    is_root: bool,
}

impl Authority {
    /// Makes a root authority.
    ///
    /// # Errors
    /// [`PkiError::AuthorityName`], [`PkiError::Validity`].
    pub fn root(options: &AuthorityOptions) -> Result<Self, PkiError> {
        let (params, key) = (options.params()?, Key::generate(options.key)?);
        let certificate = params.self_signed(key.pair()).map_err(crypto)?;
        Self::of(key, certificate.der().clone(), certificate.pem())
    }

    /// Makes an authority under this one.
    ///
    /// # Errors
    /// [`PkiError::PathLength`], [`PkiError::OutlivesAuthority`], [`PkiError::SameName`], [`PkiError::AuthorityName`],
    /// [`PkiError::Validity`].
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

    /// Reads an authority: its private key, and its certificate followed by those of the authorities above without the root.
    ///
    /// # Errors
    /// The key or the chain is something else or damaged, or they do not belong together.
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

    /// Its certificate, and those of the authorities above without the root, in PEM. For a root this is its own certificate.
    #[must_use]
    pub fn chain_pem(&self) -> &str {
        &self.chain
    }

    /// Its certificate in PEM if it is a root. Peers trust roots.
    #[must_use]
    pub fn root_pem(&self) -> Option<&str> {
        self.is_root.then_some(&self.chain)
    }

    /// Its private key in PEM (PKCS #8).
    #[must_use]
    pub fn key_pem(&self) -> SecretBytes {
        self.key.pem()
    }

    /// Makes a certificate and its key.
    ///
    /// # Errors
    /// [`PkiError::OutlivesAuthority`], [`PkiError::Validity`].
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

    /// Checks by the signature that this authority issued the certificate, which is in PEM.
    ///
    /// # Errors
    /// [`PkiError::Foreign`], or the text is not a certificate.
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

    /// The identifier of its key in certificates and lists that it signs. `None` if its certificate has none.
    fn key_id(&self) -> Option<Vec<u8>> {
        let parsed = parse(&self.der).ok()?;
        parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
    }

    /// What follows a certificate that it issues.
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
