//! An authority, certificates of a server and its clients, and a file of contexts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use app_pki::{
    Authority, AuthorityOptions, CertificateInfo, ClientName, Issued, LeafOptions, Revoked, Subject, Validity,
};
use app_rpc::RpcName;

/// The RPC name of the server. A test app has this domain id and this app id.
pub(crate) fn name(service: ServiceId) -> RpcName {
    RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service }
}

/// A folder with `ca.pem`, and with `NAME.pem` and `NAME.key` for each client.
pub(crate) struct Files {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self::of("authority")
    }

    /// A folder with an authority of this name.
    pub(crate) fn of(name: &str) -> Self {
        let authority = Authority::root(&AuthorityOptions::new(name, Validity::days(30))).unwrap();
        let files = Self { dir: tempfile::tempdir().unwrap(), authority };
        files.put("ca.pem", files.ca().as_bytes(), 0o644);
        for client in ["admin", "operator", "reader"] {
            let subject = Subject::Client(ClientName::new(&format!("{client}.example")).unwrap());
            let issued = files.issue(&subject);
            files.put(&format!("{client}.pem"), issued.certificate.as_bytes(), 0o644);
            files.put(&format!("{client}.key"), &issued.key, 0o400);
        }
        files
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn ca(&self) -> &str {
        self.authority.root_pem().unwrap()
    }

    pub(crate) fn issue(&self, subject: &Subject) -> Issued {
        self.authority.issue(subject, &LeafOptions::days(10)).unwrap()
    }

    pub(crate) fn put(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A revocation list with the certificate of this client.
    pub(crate) fn crl_with(&self, client: &str) -> String {
        let certificate = fs::read(self.path().join(format!("{client}.pem"))).unwrap();
        let serial = CertificateInfo::from_pem(&certificate).unwrap().serial;
        let revoked = Revoked { serial, at: SystemTime::now() };
        self.authority.crl(&[revoked], 1, Validity::days(1)).unwrap()
    }

    /// Writes the contexts `admin`, `operator` and `reader` for an app at this address. The first one is the current context.
    pub(crate) fn contexts(&self, address: &str, service: ServiceId) {
        let context = |client: &str| {
            format!(
                r#""{client}": {{ "address": "{address}", "domain": "0xd0", "app": "0xa0", "service": "{service:#x}",
                "ca": "ca.pem", "cert": "{client}.pem", "key": "{client}.key" }}"#
            )
        };
        let all = ["admin", "operator", "reader"].map(context).join(", ");
        let file = format!(r#"{{ "contexts": {{ {all} }}, "current": "admin" }}"#);
        self.put("contexts.json", file.as_bytes(), 0o600);
    }
}
