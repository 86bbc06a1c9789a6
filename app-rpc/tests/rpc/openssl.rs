//! A peer of another project: `openssl s_client`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use app_rpc::Refusal;

use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::stand::{NAME, Spec, Stand, eventually};

/// Whether openssl is installed. With `REQUIRE_TOOLS=1` it has to be.
pub(crate) fn is_there() -> bool {
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

/// A folder with the files for openssl.
fn folder(shown: Option<&Issued>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), AUTHORITY.pem()).unwrap();
    if let Some(issued) = shown {
        std::fs::write(dir.path().join("key.pem"), &issued.key).unwrap();
        std::fs::write(dir.path().join("cert.pem"), &issued.cert).unwrap();
    }
    dir
}

/// Connects with the files of the folder, sends nothing, and closes. With TLS 1.3 it reads until the server has answered.
async fn s_client(to: SocketAddr, dir: &Path, more: &[&str]) -> Output {
    let mut command = tokio::process::Command::new("openssl");
    command.current_dir(dir).args(["s_client", "-connect", &to.to_string(), "-servername", "x"]).args(more);
    if dir.join("cert.pem").exists() {
        command.args(["-cert", "cert.pem", "-key", "key.pem", "-cert_chain", "cert.pem"]);
    }
    command.stdin(Stdio::null()).output().await.unwrap()
}

#[tokio::test]
async fn openssl_agrees_on_tls_1_3_and_1_2_and_on_nothing_older() {
    if !is_there() {
        return;
    }
    let stand = Stand::new().await;
    let dir = folder(Some(&AUTHORITY.issue(Leaf::client("openssl.test"))));
    for (version, protocol) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let name = NAME.to_string();
        let good = [version, "-CAfile", "ca.pem", "-verify_return_error", "-verify_hostname", &name];
        let output = s_client(stand.address(), dir.path(), &good).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(&format!("New, {protocol}")), "{said}");
    }
    eventually("both let in", || stand.counts().established == 2).await;
    // Old versions, with all ciphers that openssl still has.
    for (count, version) in (1..).zip(["-tls1_1", "-tls1"]) {
        let old = [version, "-cipher", "DEFAULT@SECLEVEL=0"];
        let output = s_client(stand.address(), dir.path(), &old).await;
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        eventually("refused", || stand.counts().refused(Refusal::Incompatible) == count).await;
    }
    assert_eq!(stand.counts().established, 2);
    stand.app.stop().await.expect_clean();
}

/// A client of openssl is refused with TLS 1.3 and 1.2. It learns the reason. The refusal is counted and logged with address and serial number.
async fn assert_refused(stand: &Stand, shown: Option<&Issued>, why: Refusal, alert: &str) {
    let dir = folder(shown);
    for version in ["-tls1_3", "-tls1_2"] {
        let before = stand.counts().refused(why);
        let output = s_client(stand.address(), dir.path(), &[version, "-ign_eof"]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(alert), "{why}, {version}: {said}");
        eventually(why.label(), || stand.counts().refused(why) == before + 1).await;
    }
    let log = stand.app.captured().text();
    let record = log.lines().rfind(|line| line.contains("RPC connection refused")).unwrap();
    let serial = if shown.is_some() { "1a2b" } else { "" };
    for part in
        [&format!("\"reason\":\"{why}\""), "\"peer\":\"127.0.0.1:", &format!("\"serial\":\"{serial}\"")]
    {
        assert!(record.contains(part), "{part}: {record}");
    }
}

#[tokio::test]
async fn openssl_is_refused_for_each_reason_and_told_it() {
    if !is_there() {
        return;
    }
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    let with_list = async |crl: &str| {
        Stand::of(Spec { server: &server, ca: &AUTHORITY.pem(), crl, change: &|_| {} }).await
    };
    let stand = Stand::new().await;
    let leaf = || Leaf::client("openssl.test").serial(0x1a2b);
    let refused = async |issued: &Issued, why, alert| assert_refused(&stand, Some(issued), why, alert).await;
    assert_refused(&stand, None, Refusal::NoCertificate, "alert").await;
    refused(&Authority::new("another").issue(leaf()), Refusal::UnknownAuthority, "unknown ca").await;
    refused(&leaf().self_signed(), Refusal::UnknownAuthority, "unknown ca").await;
    refused(&AUTHORITY.issue(leaf().years(2001, 2002)), Refusal::Expired, "certificate expired").await;
    let early = AUTHORITY.issue(leaf().years(2200, 2201));
    refused(&early, Refusal::NotYetValid, "certificate unknown").await;
    let of_server = AUTHORITY.issue(Leaf::server("openssl.test").serial(0x1a2b));
    refused(&of_server, Refusal::WrongPurpose, "unsupported certificate").await;
    let mut between = vec![AUTHORITY.intermediate("1")];
    for depth in 2..=7 {
        let next = between.last().unwrap().intermediate(&depth.to_string());
        between.push(next);
    }
    let chain: Vec<_> = between.iter().rev().collect();
    refused(&chain[0].issue_with(leaf(), &chain), Refusal::ChainTooLong, "alert").await;
    assert_eq!(stand.counts().established, 0);
    stand.app.stop().await.expect_clean();

    let good = AUTHORITY.issue(leaf());
    let stand = with_list(&AUTHORITY.crl(&[0x1a2b], 2100)).await;
    assert_refused(&stand, Some(&good), Refusal::Revoked, "certificate revoked").await;
    stand.app.stop().await.expect_clean();
    // One authority has a good list, because a config that accepts no peer would be refused.
    let another = Authority::new("another");
    let ca = format!("{}{}", AUTHORITY.pem(), another.pem());
    let crl = format!("{}{}", AUTHORITY.crl(&[0x1a2b], 2021), another.crl(&[], 2100));
    let stand = Stand::of(Spec { server: &server, ca: &ca, crl: &crl, change: &|_| {} }).await;
    assert_refused(&stand, Some(&good), Refusal::RevocationListExpired, "access denied").await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn openssl_has_nothing_to_resume_when_its_certificate_was_revoked() {
    if !is_there() {
        return;
    }
    let stand = Stand::new().await;
    let dir = folder(Some(&AUTHORITY.issue(Leaf::client("openssl.test").serial(0x1a2b))));
    let versions = ["-tls1_3", "-tls1_2"];
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    for version in versions {
        // The session of the first connection, used at once and five times more.
        let first = s_client(stand.address(), dir.path(), &[version, "-sess_out", version]).await;
        assert!(first.status.success() && !said(&first).contains("Reused"), "{}", said(&first));
        let again = s_client(stand.address(), dir.path(), &[version, "-reconnect"]).await;
        assert!(!said(&again).contains("Reused"), "{}", said(&again));
    }
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    let crl = AUTHORITY.crl(&[0x1a2b], 2100);
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: &crl, change: &|_| {} }.put(stand.app.config_dir());
    stand.app.reload();
    eventually("reloaded", || stand.app.captured().text().contains("goes on with its new config")).await;
    for (count, version) in (1..).zip(versions) {
        let mut resume = vec![version, "-ign_eof"];
        // Without a ticket, openssl may have nothing to write.
        if dir.path().join(version).exists() {
            resume.extend(["-sess_in", version]);
        }
        let output = s_client(stand.address(), dir.path(), &resume).await;
        assert!(String::from_utf8_lossy(&output.stderr).contains("certificate revoked"), "{version}");
        eventually("refused", || stand.counts().refused(Refusal::Revoked) == count).await;
    }
    stand.app.stop().await.expect_clean();
}
