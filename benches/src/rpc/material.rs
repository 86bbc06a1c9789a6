//! The certificates of a comparison: one authority, one server and one client, with ECDSA on P-256, the same for all candidates.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::platform;
use crate::rounds::Failure;

/// The certificates and keys in PEM.
pub(super) struct Material {
    pub(super) authority: String,
    pub(super) server: PemPair,
    pub(super) client: PemPair,
    /// The name in the server's certificate.
    pub(super) server_name: String,
}

pub(super) struct PemPair {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Material {
    /// Makes the certificates and puts them where the processes find them.
    pub(super) fn make(dir: &Path) -> Result<(), Failure> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, "authority of benches");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let issue = |name: &str, usage| -> Result<PemPair, Failure> {
            let mut params = CertificateParams::new(vec![name.to_owned()])?;
            params.extended_key_usages = vec![usage];
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &issuer)?.pem();
            Ok(PemPair { certificate, key: key.serialize_pem() })
        };
        let server = issue(&platform::NAME.to_string(), ExtendedKeyUsagePurpose::ServerAuth)?;
        let client = issue("client.bench", ExtendedKeyUsagePurpose::ClientAuth)?;
        for (file, content) in [
            ("ca.pem", issuer.pem()),
            ("server.pem", server.certificate),
            ("server.key", server.key),
            ("client.pem", client.certificate),
            ("client.key", client.key),
        ] {
            fs::write(dir.join(file), content)?;
        }
        Ok(())
    }

    pub(super) fn read(dir: &Path) -> Result<Self, Failure> {
        let read = |file: &str| fs::read_to_string(dir.join(file));
        Ok(Self {
            authority: read("ca.pem")?,
            server: PemPair { certificate: read("server.pem")?, key: read("server.key")? },
            client: PemPair { certificate: read("client.pem")?, key: read("client.key")? },
            server_name: platform::NAME.to_string(),
        })
    }
}
