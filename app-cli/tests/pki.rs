//! `appctl pki` as operators run it, and with malicious files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const APPCTL: &str = env!("CARGO_BIN_EXE_appctl");

fn appctl(folder: &Path, line: &str) -> Output {
    clean(Command::new(APPCTL).args(line.split_whitespace()), folder).output().unwrap()
}

fn clean<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    for name in ["OP_PKI_DIR", "OP_DOMAIN_ID", "OP_APP_ID"] {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null())
}

/// Standard output of a run that must succeed.
#[track_caller]
fn printed(folder: &Path, line: &str) -> String {
    let output = appctl(folder, line);
    assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(folder: &Path, line: &str) -> Value {
    serde_json::from_str(&printed(folder, &format!("{line} --json"))).unwrap()
}

/// The error of a run that must end with this status: one line.
#[track_caller]
fn refused(folder: &Path, line: &str, status: i32) -> String {
    let output = appctl(folder, line);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{line}: {said}");
    assert!(output.stdout.is_empty(), "{line}");
    assert!(status == 2 || said.lines().count() == 1, "{said}");
    said
}

/// A folder that has an authority in `pki`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), "pki init pki");
    folder
}

fn files(folder: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let content = |entry: fs::DirEntry| {
        let mode = fs::symlink_metadata(entry.path()).unwrap().permissions().mode() & 0o7777;
        (entry.file_name().into_string().unwrap(), (mode, fs::read(entry.path()).unwrap_or_default()))
    };
    entries.map(content).collect()
}

#[test]
fn an_authority_issues_revokes_and_shows() {
    let folder = folder();
    let run = |line: &str| json(folder.path(), line);
    let server = run("pki issue server -d pki --domain-id 0xd0 --app-id 0xa0 --service rpc");
    assert_eq!(server["names"][0], "d0_a0_e49214fa20b35ba8");
    assert_eq!((server["purpose"].as_str(), server["state"].as_str()), (Some("server"), Some("valid")));
    let client = run("pki issue client -d pki --name Ops.example.com --days 5 --key ed25519");
    assert_eq!(client["certificate"], "pki/client-ops.example.com.pem");
    assert_eq!(client["state"], "ends soon");
    let renewed = run("pki renew -d pki pki/client-ops.example.com.pem");
    assert_eq!(renewed["key"], "pki/client-ops.example.com-2.key");
    let revoked = run(&format!("pki revoke -d pki {}", client["serial"].as_str().unwrap()));
    assert_eq!((revoked["already"].as_bool(), revoked["crl"]["number"].as_u64()), (Some(false), Some(2)));
    assert_eq!(run("pki revoke -d pki pki/client-ops.example.com.pem")["already"], true);
    let shown = run("pki show pki");
    let states = |key: &str| {
        let all = shown["certificates"].as_array().unwrap();
        all.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states("state"), ["valid", "revoked", "valid"]);
    assert_eq!(states("purpose"), ["server", "client", "client"]);
    assert_eq!(shown["crl_is_behind"], false);
    assert_eq!(shown["crls"][0]["revoked"][0]["serial"], client["serial"]);
    assert_eq!(run("pki show pki/client-ops.example.com.pem")["certificates"][0]["state"], "revoked");
    assert_eq!(run("pki crl -d pki")["number"], 4);
    assert_eq!(run("pki show pki/crl.pem")["crls"][0]["number"], 4);
    // The page for people has a line for each certificate, and no private key.
    let page = printed(folder.path(), "pki show pki");
    assert!(page.contains("client   ops.example.com") && page.contains("revoked"), "{page}");
    assert!(refused(folder.path(), "pki show pki/ca.key", 78).contains("nothing of it is shown"));
    for (name, (mode, _)) in files(&folder.path().join("pki")) {
        let expected = match Path::new(&name).extension().and_then(|suffix| suffix.to_str()) {
            Some("key") => 0o400,
            Some("pem") => 0o444,
            _ => 0o600,
        };
        assert_eq!(mode, expected, "{name}");
    }
}

#[test]
fn an_authority_under_another_has_the_lists_of_both() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), "pki init root --path-length 1 --name top");
    printed(folder.path(), "pki init pki --under root --name below --crl-days 7");
    let lists = json(folder.path(), "pki show pki/crl.pem");
    let issuers: Vec<_> =
        lists["crls"].as_array().unwrap().iter().map(|list| list["issuer"].clone()).collect();
    assert_eq!(issuers, ["CN=below", "CN=top"]);
    let issued = json(folder.path(), "pki issue client -d pki -n a");
    assert_eq!(issued["issuer"], "CN=below");
    assert_eq!(json(folder.path(), "pki show pki/client-a.pem")["certificates"].as_array().unwrap().len(), 2);
    let said = refused(folder.path(), "pki init deeper --under pki", 2);
    assert!(said.contains("path length"), "{said}");
}

#[test]
fn nothing_is_overwritten_and_nothing_is_half_made() {
    let folder = folder();
    let pki = folder.path().join("pki");
    printed(folder.path(), "pki issue client -d pki -n a");
    let before = files(&pki);
    assert!(refused(folder.path(), "pki init pki", 1).contains("a new folder"));
    assert!(refused(folder.path(), "pki issue client -d pki -n A", 1).contains("renew"));
    assert!(refused(folder.path(), "pki issue client -d pki -n b -o missing", 1).contains("missing"));
    refused(folder.path(), "pki issue client -d pki -n b --days 36525", 2);
    refused(folder.path(), "pki revoke -d pki 1234abcd", 1);
    refused(folder.path(), "pki revoke -d pki missing.pem", 1);
    refused(folder.path(), "pki init missing/pki", 1);
    assert_eq!(files(&pki), before);
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["pki"]);
}

#[test]
fn a_bad_command_line_is_a_usage_error() {
    let folder = folder();
    for line in [
        "pki",
        "pki init",
        "pki issue",
        "pki issue client -d pki",
        "pki issue client -d pki -n *.example.com",
        "pki issue client -d pki -n ../a",
        "pki issue client -d pki -n a --days 0",
        "pki issue client -d pki -n a --key rsa",
        "pki issue server -d pki --domain-id 0 --app-id 1 --service rpc",
        "pki issue server -d pki --domain-id 1 --app-id 1 --service nobody",
        "pki issue server -d pki --domain-id x --app-id 1 --service rpc",
        "pki init x --path-length 9",
    ] {
        refused(folder.path(), line, 2);
    }
    refused(folder.path(), "pki issue client -n a", 78);
    for help in [
        "pki",
        "pki init",
        "pki issue client",
        "pki issue server",
        "pki renew",
        "pki revoke",
        "pki crl",
        "pki show",
    ] {
        assert!(printed(folder.path(), &format!("{help} --help")).contains("appctl pki "), "{help}");
    }
}

#[test]
fn what_others_could_read_or_change_and_what_is_damaged_is_refused() {
    let folder = folder();
    let pki = folder.path().join("pki");
    let chmod =
        |name: &str, mode| fs::set_permissions(pki.join(name), fs::Permissions::from_mode(mode)).unwrap();
    let issue = |status| refused(folder.path(), "pki issue client -d pki -n a", status);
    for (name, mode, good) in [("ca.key", 0o440, 0o400), ("authority.pem", 0o664, 0o444), ("", 0o777, 0o700)]
    {
        chmod(name, mode);
        assert!(issue(78).contains("chmod"), "{name}");
        chmod(name, good);
    }
    let index = fs::read(pki.join("index.json")).unwrap();
    let put = |name: &str, content: &[u8]| {
        fs::remove_file(pki.join(name)).unwrap();
        fs::write(pki.join(name), content).unwrap();
    };
    for content in [&index[..index.len() / 2], b"", b"\xff\x1b[31m", b"{\"a\": \"\x1b]0;x\x07\"}"] {
        put("index.json", content);
        let said = issue(78);
        assert!(said.contains("index.json is damaged") && !said.contains('\x1b'), "{said:?}");
    }
    put("index.json", &index);
    let key = fs::read(pki.join("ca.key")).unwrap();
    put("ca.key", b"nonsense");
    chmod("ca.key", 0o400);
    assert!(issue(78).contains("private key"));
    put("ca.key", &key);
    chmod("ca.key", 0o400);
    // A pipe without a writer, a dangling link and a device do not make it wait.
    fs::remove_file(pki.join("ca.key")).unwrap();
    for target in ["/dev/zero", "/dev/tty", "/nowhere"] {
        symlink(target, pki.join("ca.key")).unwrap();
        issue(if target == "/nowhere" { 1 } else { 78 });
        fs::remove_file(pki.join("ca.key")).unwrap();
    }
    fs::write(pki.join("ca.key"), &key).unwrap();
    chmod("ca.key", 0o400);
    for foreign in ["/etc/passwd", "/dev/null", "/dev/zero"] {
        refused(folder.path(), &format!("pki show {foreign}"), 78);
        refused(folder.path(), &format!("pki revoke -d pki {foreign}"), 78);
    }
    printed(folder.path(), "pki issue client -d pki -n a");
    let other = self::folder();
    let theirs = other.path().join("pki/ca.pem").display().to_string();
    assert!(refused(folder.path(), &format!("pki revoke -d pki {theirs}"), 78).contains("another authority"));
}

#[test]
fn a_full_disk_changes_nothing() {
    let folder = folder();
    let pki = folder.path().join("pki");
    printed(folder.path(), "pki issue client -d pki -n a");
    let before = files(&pki);
    // Files may not grow. The signal SIGXFSZ is ignored, so writing fails.
    let full = format!("trap '' XFSZ; ulimit -f 0; exec {APPCTL} \"$@\"");
    for line in [
        "pki issue client -d pki -n b",
        "pki revoke -d pki pki/client-a.pem",
        "pki crl -d pki",
        "pki init new",
    ] {
        let mut shell = Command::new("sh");
        // Standard output is a pipe, which has no such limit.
        let output = clean(shell.args(["-c", &full, "sh"]).args(line.split_whitespace()), folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(said.contains("File too large") && said.lines().count() == 1, "{said}");
        assert_eq!(files(&pki), before, "{line}");
    }
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["pki"]);
}

#[test]
fn several_at_once_lose_nothing() {
    let folder = folder();
    let run = |line: String| {
        let mut command = Command::new(APPCTL);
        clean(command.args(line.split_whitespace()), folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut names: Vec<_> = (0..6).map(|n| run(format!("pki issue client -d pki -n n{n}"))).collect();
    // Of several that use one name, one succeeds.
    names.extend((0..2).map(|_| run("pki issue client -d pki -n same".to_owned())));
    let ended: Vec<_> =
        names.into_iter().map(|child| child.wait_with_output().unwrap().status.code()).collect();
    assert_eq!(ended.iter().filter(|code| **code == Some(0)).count(), 7, "{ended:?}");
    let inits: Vec<_> = (0..3).map(|_| run("pki init new".to_owned())).collect();
    let won = inits
        .into_iter()
        .filter_map(|child| child.wait_with_output().unwrap().status.success().then_some(()));
    assert_eq!(won.count(), 1);
    let revoking: Vec<_> = (0..6).map(|n| run(format!("pki revoke -d pki pki/client-n{n}.pem"))).collect();
    assert!(revoking.into_iter().all(|child| child.wait_with_output().unwrap().status.success()));
    let shown = json(folder.path(), "pki show pki");
    assert_eq!(shown["certificates"].as_array().unwrap().len(), 7);
    assert_eq!(shown["crls"][0]["revoked"].as_array().unwrap().len(), 6);
    assert_eq!(shown["crl_is_behind"], false);
}
