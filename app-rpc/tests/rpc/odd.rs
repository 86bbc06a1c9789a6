//! Unusual configs, and the answers of sealing, checks, starts and reloads.

use std::fs;
use std::path::Path;
use std::process::Command;

use app_config::author::compile;
use app_config::{ConfigDir, ConfigSchema, check_all};
use rustls::ALL_VERSIONS;
use serde_json::json;

use crate::openssl;
use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::raw::{is_let_in, tls};
use crate::stand::{ENDPOINT, NAME, Stand, builder, eventually};

/// A config in parts.
#[derive(Clone)]
pub(crate) struct Odd {
    pub(crate) what: &'static str,
    pub(crate) server: Issued,
    pub(crate) ca: String,
    pub(crate) crl: String,
    pub(crate) grants: Vec<&'static str>,
    pub(crate) app: u64,
    /// Parts of the lines that refuse it.
    pub(crate) refused: Vec<&'static str>,
    /// Parts of the lines that warn of it.
    pub(crate) warned: Vec<&'static str>,
}

pub(crate) fn good() -> Leaf {
    Leaf::server(&NAME.to_string())
}

pub(crate) fn odd(what: &'static str) -> Odd {
    Odd {
        what,
        server: AUTHORITY.issue(good()),
        ca: AUTHORITY.pem(),
        crl: String::new(),
        grants: Vec::new(),
        app: NAME.app.as_u64(),
        refused: Vec::new(),
        warned: Vec::new(),
    }
}

impl Odd {
    pub(crate) fn server(self, server: Issued) -> Self {
        Self { server, ..self }
    }

    pub(crate) fn ca(self, ca: &[&Authority]) -> Self {
        Self { ca: ca.iter().map(|one| one.pem()).collect(), ..self }
    }

    pub(crate) fn ca_pem(self, ca: String) -> Self {
        Self { ca, ..self }
    }

    pub(crate) fn crl(self, crl: &[String]) -> Self {
        Self { crl: crl.concat(), ..self }
    }

    pub(crate) fn grants(self, grants: &[&'static str]) -> Self {
        Self { grants: grants.to_vec(), ..self }
    }

    pub(crate) fn refused(self, refused: &[&'static str]) -> Self {
        Self { refused: refused.to_vec(), ..self }
    }

    pub(crate) fn warned(self, warned: &[&'static str]) -> Self {
        Self { warned: warned.to_vec(), ..self }
    }

    /// The JSON of its author, with the files that it names.
    pub(crate) fn json(&self, files: &Path) -> String {
        let put = |name: &str, content: &str| fs::write(files.join(name), content).unwrap();
        put("server.pem", &self.server.cert);
        put("server.key", &self.server.key);
        put("ca.pem", &self.ca);
        put("crl.pem", &self.crl);
        let grants: Vec<_> =
            self.grants.iter().map(|name| json!({ "name": name, "role": "operate" })).collect();
        let crl = if self.crl.is_empty() { json!("") } else { json!("@crl.pem") };
        let config = json!({
            "rpcServiceSpec": {
                "domainID": format!("{:#x}", NAME.domain), "appId": format!("{:#x}", self.app),
                "serviceId": format!("{ENDPOINT:#x}"), "port": 1,
            },
            "serverCert": { "key": "@server.key", "cert": "@server.pem" },
            "caCert": "@ca.pem", "crl": crl, "bindAddress": "127.0.0.1", "threads": 1, "grants": grants,
        });
        config.to_string()
    }

    /// Puts it in place without a check, as a config that was good at another time.
    pub(crate) fn put(&self, dir: &Path) {
        let files = tempfile::tempdir().unwrap();
        let schema = schema();
        let json = self.json(files.path());
        let message =
            app_config::author::from_json(schema.struct_schema().unwrap(), &json, Some(files.path()))
                .unwrap();
        let mut content = Vec::new();
        app_config::codec::marshal(&message, &mut content).unwrap();
        let beside = dir.join("new");
        fs::write(&beside, content).unwrap();
        fs::set_permissions(&beside, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::rename(beside, dir.join(app_config::compat::service_config_id(ENDPOINT))).unwrap();
    }

    /// The lines of sealing that refuse it.
    pub(crate) fn sealed(&self) -> Vec<String> {
        let files = tempfile::tempdir().unwrap();
        let json = self.json(files.path());
        let refused = compile(&schema(), &json, Some(files.path())).err();
        let refused = refused.map(app_config::Problems::into_vec).unwrap_or_default();
        refused.iter().map(ToString::to_string).collect()
    }

    /// The lines of a directory check: those that refuse it, and the warnings.
    pub(crate) fn checked(&self) -> (Vec<String>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        self.put(dir.path());
        let checked = check_all(&ConfigDir::new(dir.path()));
        (checked.problems.iter().map(ToString::to_string).collect(), checked.warnings)
    }

    /// The log of a start, and whether the start failed.
    pub(crate) async fn started(&self) -> (bool, String) {
        let (builder, _) = builder();
        self.put(builder.config_dir());
        let app = builder.build();
        let failed = app.start().await.is_err();
        let log = app.captured().text();
        if !failed {
            app.stop().await;
        }
        (failed, log)
    }

    /// The log of a reload of a running server, and whether the reload was refused.
    pub(crate) async fn reloaded(&self, stand: &Stand) -> (bool, String) {
        let (text, before) = (|| stand.app.captured().text(), stand.app.captured().text().len());
        self.put(stand.app.config_dir());
        stand.app.reload();
        let said = || text()[before..].to_owned();
        eventually(self.what, || said().contains("configs were read again")).await;
        let refused = said().contains("not reloaded");
        if !refused {
            eventually(self.what, || said().contains("goes on with its new config")).await;
        }
        (refused, said())
    }
}

pub(crate) fn schema() -> ConfigSchema {
    ConfigSchema::linked().into_iter().find(|schema| schema.service() == ENDPOINT).unwrap()
}

/// A text as it is in a JSON record.
pub(crate) fn in_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

/// All four give the same answer.
pub(crate) async fn assert_one_judge(one: &Odd, stand: &Stand) {
    let what = one.what;
    let sealed = one.sealed();
    assert_eq!(sealed.len(), one.refused.len(), "{what}: {sealed:#?}");
    for (line, expected) in sealed.iter().zip(&one.refused) {
        assert!(line.contains(expected), "{what}: {line}");
    }
    let (problems, warnings) = one.checked();
    assert_eq!(
        (problems.len(), warnings.len()),
        (sealed.len(), one.warned.len()),
        "{what}: {problems:?} {warnings:#?}"
    );
    for (line, expected) in warnings.iter().zip(&one.warned) {
        assert!(line.contains(expected), "{what}: {line}");
    }
    let (failed, start) = one.started().await;
    let (refused, reload) = one.reloaded(stand).await;
    assert_eq!((failed, refused), (!sealed.is_empty(), !sealed.is_empty()), "{what}: {start}\n{reload}");
    for line in &sealed {
        assert!(problems.iter().any(|problem| problem.contains(line)), "{what}: {line}: {problems:?}");
        for log in [&start, &reload] {
            assert!(log.contains(&in_json(line)), "{what}: {line}: {log}");
        }
    }
    for line in &warnings {
        // The check also names the file.
        let (line, _) = line.split_once(" (file ").unwrap();
        for log in [&start, &reload] {
            assert!(log.contains(&in_json(line)), "{what}: {line}: {log}");
        }
    }
}

/// A client of the tests' authority, valid now.
pub(crate) async fn is_good_client_let_in(stand: &Stand) -> bool {
    let client = AUTHORITY.issue(Leaf::client("client.test"));
    is_let_in(stand.address(), &tls(Some(&client), ALL_VERSIONS)).await
}

/// Reloads each config on a running server. A refused config changes nothing there.
pub(crate) async fn assert_all(odd: Vec<Odd>) {
    let stand = Stand::new().await;
    for one in &odd {
        assert_one_judge(one, &stand).await;
        if !one.refused.is_empty() {
            assert!(is_good_client_let_in(&stand).await, "{}", one.what);
        }
    }
    stand.app.stop().await.expect_clean();
}

/// Makes authorities and lists that rcgen can't.
pub(crate) struct OpenSsl(tempfile::TempDir);

impl OpenSsl {
    pub(crate) fn new() -> Option<Self> {
        openssl::is_there().then(|| Self(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn run(&self, args: &str) {
        let output =
            Command::new("openssl").current_dir(self.0.path()).args(args.split(' ')).output().unwrap();
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// An authority with this kind of key. Its key usage does not allow signing lists.
    pub(crate) fn authority(&self, key: &str) -> String {
        self.run(&format!("genpkey {key} -out ca.key"));
        self.run("req -x509 -new -key ca.key -subj /CN=odd -days 9 -addext keyUsage=keyCertSign -out ca.pem");
        self.read("ca.pem")
    }

    /// A list of that authority with these extensions.
    pub(crate) fn list(&self, extensions: &str) -> String {
        let section = if extensions.is_empty() { "" } else { "crl_extensions = ext\n" };
        let config = format!(
            "[ca]\ndefault_ca = odd\n[odd]\ndatabase = index\ndefault_md = sha256\ndefault_crl_days = 9\n\
             {section}[ext]\n{extensions}\n"
        );
        fs::write(self.0.path().join("config"), config).unwrap();
        fs::write(self.0.path().join("index"), "").unwrap();
        self.run("ca -gencrl -config config -keyfile ca.key -cert ca.pem -out crl.pem");
        self.read("crl.pem")
    }
}
