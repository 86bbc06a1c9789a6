//! An independent client calls every method of the original: pycapnp, over Python's `ssl`.

use std::process::Command;

use app_rpc::Role;
use app_rpc::admin::METHODS;

use crate::stand::{NAME, STORE, Stand, ca_pem, certificate};

/// Whether pycapnp is installed. With `REQUIRE_TOOLS=1` it must be.
fn is_installed() -> bool {
    let found = Command::new("python3").args(["-c", "import capnp"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(found || std::env::var("REQUIRE_TOOLS").as_deref() != Ok("1"), "pycapnp (PyPI) is not installed");
    if !found {
        eprintln!("SKIPPED: pycapnp (PyPI) is not installed");
    }
    found
}

/// Runs the Python client and returns its output.
async fn run(stand: &Stand, role: Role) -> String {
    let (dir, issued) = (tempfile::tempdir().unwrap(), certificate(role));
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new("python3");
    command
        .arg(format!("{root}/tests/admin/admin.py"))
        .args([stand.address().ip().to_string(), stand.address().port().to_string()])
        .arg(format!("{root}/../schema/capnp/admin.capnp"))
        .args([
            file("cert.pem", issued.certificate.as_bytes()),
            file("key.pem", &issued.key),
            file("ca.pem", ca_pem().as_bytes()),
        ])
        .args([NAME.to_string(), STORE.as_u64().to_string(), role.to_string()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test]
async fn pycapnp_calls_every_method_of_the_original() {
    if !is_installed() {
        return;
    }
    let stand = Stand::new().await;
    let denied = run(&stand, Role::Read).await;
    assert!(denied.contains("denied: App.kill needs the role admin"), "{denied}");
    assert!(stand.app.alive());
    let said = run(&stand, Role::Admin).await;
    assert!(said.contains("rustc 1.") && said.contains("all was answered"), "{said}");
    // The methods of the original: the first ones of each of its interfaces.
    let original = METHODS.iter().filter(|method| match method.name.split_once('.') {
        Some(("App", _)) => method.ordinal <= 11,
        Some(("Configs", _)) => method.ordinal <= 2,
        Some(("Service" | "RPCService" | "Runtime", _)) => true,
        _ => false,
    });
    for method in original {
        assert!(said.contains(&format!("called {}\n", method.name)), "{method:?}: {said}");
    }
    stand.app.app().stopped().await.expect_clean();
    stand.elsewhere.stop().await.expect_clean();
}
