//! A client of another project: pycapnp, over Python's `ssl`.

use std::process::Command;

use crate::pki::{AUTHORITY, Leaf};
use crate::stand::{NAME, Stand, eventually};

/// Whether it is installed. With `REQUIRE_TOOLS=1` it has to be.
fn is_there() -> bool {
    let found = Command::new("python3").args(["-c", "import capnp"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(found || std::env::var("REQUIRE_TOOLS").as_deref() != Ok("1"), "pycapnp (PyPI) is not installed");
    if !found {
        eprintln!("SKIPPED: pycapnp (PyPI) is not installed");
    }
    found
}

#[tokio::test]
async fn pycapnp_is_answered_and_its_calls_are_cancelled_when_it_lets_go_of_them() {
    if !is_there() {
        return;
    }
    let stand = Stand::new().await;
    let issued = AUTHORITY.issue(Leaf::client("python.test"));
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new("python3");
    command
        .arg(format!("{root}/tests/rpc/quota.py"))
        .args([stand.address().ip().to_string(), stand.address().port().to_string()])
        .arg(format!("{root}/../quota-schema/capnp/quota.capnp"))
        .args([
            file("cert.pem", &issued.cert),
            file("key.pem", &issued.key),
            file("ca.pem", &AUTHORITY.pem()),
        ])
        .arg(NAME.to_string());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("all was answered"), "{said}");
    assert_eq!(stand.counts().established, 2);
    eventually("nothing is left", || stand.counts().active == 0 && stand.seen.running() == 0).await;
    stand.app.stop().await.expect_clean();
}
