//! A peer that we did not write: `openssl s_client`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use app_rpc::Refusal;

use crate::pki::{AUTHORITY, Issued, Leaf};
use crate::stand::{Stand, eventually};

/// Whether the program is there. Where `REQUIRE_TOOLS=1` asks for it, it has to be.
fn is_there() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    assert!(
        found || std::env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
        "the openssl program is not installed"
    );
    if !found {
        eprintln!("SKIPPED: the openssl program is not installed");
    }
    found
}

/// An RSA key, which rcgen can't make with ring.
pub(crate) fn rsa_key() -> Option<String> {
    if !is_there() {
        return None;
    }
    let made = Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .unwrap();
    Some(String::from_utf8(made.stdout).unwrap())
}

/// Connects, says nothing, and closes.
fn s_client(to: SocketAddr, shown: Option<&Issued>, more: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &to.to_string(), "-servername", "x"]).args(more);
    if let Some(issued) = shown {
        for (option, name, content) in [("-cert", "cert.pem", &issued.cert), ("-key", "key.pem", &issued.key)]
        {
            let path = dir.path().join(name);
            std::fs::File::create(&path).unwrap().write_all(content.as_bytes()).unwrap();
            command.arg(option).arg(path);
        }
    }
    command.stdin(Stdio::null()).output().unwrap()
}

#[tokio::test]
async fn openssl_agrees_on_tls_1_3_and_1_2_and_on_nothing_older() {
    if !is_there() {
        return;
    }
    let stand = Stand::new().await;
    let to = stand.address();
    let good = AUTHORITY.issue(Leaf::client("openssl.test"));
    let run = |more: &'static [&'static str]| {
        let good = good.clone();
        tokio::task::spawn_blocking(move || s_client(to, Some(&good), more))
    };
    for (version, protocol) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let output = run(if version == "-tls1_3" { &["-tls1_3"] } else { &["-tls1_2"] }).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!("New, {protocol}")), "{said}");
        assert!(said.contains("Reused") || !said.contains("Session-ID: 0"), "{said}");
    }
    eventually("both let in", || stand.counts().established == 2).await;
    // Old versions, with whatever ciphers openssl still has.
    for version in
        [&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..], &["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"]]
    {
        let before = stand.counts().refused(Refusal::Incompatible);
        let output = run(version).await.unwrap();
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        eventually("refused", || stand.counts().refused(Refusal::Incompatible) == before + 1).await;
    }
    assert_eq!(stand.counts().established, 2);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn openssl_without_a_certificate_is_told_that_one_is_required() {
    if !is_there() {
        return;
    }
    let stand = Stand::new().await;
    let to = stand.address();
    let output =
        tokio::task::spawn_blocking(move || s_client(to, None, &["-tls1_3", "-ign_eof"])).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("certificate required"), "{said}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("No client certificate CA names sent")
            || !said.is_empty()
    );
    eventually("refused", || stand.counts().refused(Refusal::NoCertificate) == 1).await;
    stand.app.stop().await.expect_clean();
}
