//! Certificates for tests, made in memory.

use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SerialNumber, date_time_ymd,
};

/// An authority.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its chain, and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Issued {
    pub(crate) fn pair(&self) -> app_rpc::KeyPair {
        app_rpc::KeyPair::from_pem(self.key.as_bytes(), self.cert.as_bytes()).unwrap()
    }
}

/// The content of a certificate.
pub(crate) struct Leaf {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
}

impl Leaf {
    /// The certificate of a server with this name.
    pub(crate) fn server(name: &str) -> Self {
        Self::of(name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// The certificate of a client with this name.
    pub(crate) fn client(name: &str) -> Self {
        Self::of(name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn of(name: &str, usage: ExtendedKeyUsagePurpose) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        Self { params, key: KeyPair::generate().unwrap() }
    }

    pub(crate) fn serial(mut self, serial: u64) -> Self {
        self.params.serial_number = Some(SerialNumber::from(serial));
        self
    }

    pub(crate) fn key(mut self, key: KeyPair) -> Self {
        self.key = key;
        self
    }

    /// Sets the years of its validity.
    pub(crate) fn years(mut self, from: i32, to: i32) -> Self {
        self.params.not_before = date_time_ymd(from, 1, 1);
        self.params.not_after = date_time_ymd(to, 1, 1);
        self
    }

    /// Signs it with its own key.
    pub(crate) fn self_signed(self) -> Issued {
        let cert = self.params.self_signed(&self.key).unwrap().pem();
        Issued { cert, key: self.key.serialize_pem() }
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = Self::params(name);
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// A root authority with an unusual certificate.
    pub(crate) fn odd(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = Self::params(name);
        change(&mut params);
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// An authority under this one with an unusual certificate.
    pub(crate) fn odd_intermediate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = Self::params(name);
        change(&mut params);
        Self { issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap() }
    }

    /// An authority under this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_of(name, 0x1000)
    }

    /// An authority under this one, with this serial number.
    pub(crate) fn intermediate_of(&self, name: &str, serial: u64) -> Self {
        let (mut params, key) = Self::params(name);
        params.serial_number = Some(SerialNumber::from(serial));
        Self { issuer: CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap() }
    }

    fn params(name: &str) -> (CertificateParams, KeyPair) {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params, KeyPair::generate().unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn issue(&self, leaf: Leaf) -> Issued {
        let cert = leaf.params.signed_by(&leaf.key, &self.issuer).unwrap().pem();
        Issued { cert, key: leaf.key.serialize_pem() }
    }

    /// Adds the certificates between it and its root.
    pub(crate) fn issue_with(&self, leaf: Leaf, between: &[&Self]) -> Issued {
        let mut issued = self.issue(leaf);
        for authority in between {
            issued.cert.push_str(&authority.pem());
        }
        issued
    }

    /// A revocation list of these serial numbers, valid until the end of this year.
    pub(crate) fn crl(&self, revoked: &[u64], until: i32) -> String {
        self.odd_crl(revoked, |params| params.next_update = date_time_ymd(until, 12, 31))
    }

    /// An unusual revocation list.
    pub(crate) fn odd_crl(
        &self,
        revoked: &[u64],
        change: impl FnOnce(&mut CertificateRevocationListParams),
    ) -> String {
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let mut params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2100, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut params);
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    pub(crate) fn trust(&self) -> app_rpc::Authorities {
        app_rpc::Authorities::from_pem(self.pem().as_bytes(), b"").unwrap()
    }
}

/// The authority of most tests.
pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("test authority"));
