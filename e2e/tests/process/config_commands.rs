//! The `config` commands with unusual and with malicious input.

use std::{
    fs,
    path::{Path, PathBuf},
};

use svc_example::QUOTA;

use crate::{
    files::Configs,
    program::{Ended, Process, Program},
};

const JSON: &str = r#"{"rules": [{"name": "mail", "permits": 10}]}"#;

fn config<A: AsRef<Path>>(args: impl IntoIterator<Item = A>) -> Program {
    Program::service().args(["config"]).args(args.into_iter().map(|arg| arg.as_ref().to_owned()))
}

/// Seals without a key, because these tests are not about keys.
fn seal(json: &Path, output: &Path) -> Program {
    config(["seal", "--service", "quota", "--plain", "--output"]).args([output, json])
}

fn file(folder: &Configs, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn the_example_of_every_service_is_sealed_and_checked_without_a_complaint() {
    let folder = Configs::none();
    let services = config(["explain"]).run();
    services.expect_code(0);
    let mut count = 0;
    for line in services.stdout.lines() {
        let (name, id) = line.split_once(" (").unwrap();
        let id = id.split_once(')').unwrap().0;
        let example = config(["explain", name, "--json"]).run();
        for same in [id, &format!("0x{id}"), &u64::from_str_radix(id, 16).unwrap().to_string()] {
            assert_eq!(config(["explain", same, "--json"]).run().stdout, example.stdout, "{same}");
        }
        let json = file(&folder, "example.json", &example.stdout);
        let output = folder.path().join(format!("0x{id}"));
        let sealed = config(["seal", "--plain", "--service", name, "--output"]).args([&output, &json]).run();
        if example.stdout.contains("\"serverCert\"") {
            // Its certificates are in files, which are not there. `endpoints` tests it with files.
            assert_eq!(sealed.code(), Some(78), "{name}");
            assert!(sealed.stderr.contains("server-d0_a0_"), "{}", sealed.stderr);
            continue;
        }
        assert_eq!((sealed.code(), &*sealed.stderr), (Some(0), ""), "{name}: {}", example.stdout);
        count += 1;
    }
    assert!(count >= 3, "{}", services.stdout);
    let checked = config([Path::new("check"), folder.path()]).run();
    assert_eq!(checked.stdout, format!("ok: {}\n", folder.path().display()));
    let checked = folder.service().args(["--check"]).run();
    assert_eq!((checked.code(), &*checked.stderr), (Some(0), ""));
}

#[test]
fn what_editors_do_to_json_is_named_or_harmless() {
    let folder = Configs::none();
    let output = folder.path().join("output");
    let refusal = |content: &[u8]| {
        let ended = seal(&file(&folder, "rules.json", content), &output).run();
        ended.expect_code(78);
        assert!(!output.exists());
        ended.stderr
    };
    let marked = [b"\xef\xbb\xbf", JSON.as_bytes()].concat();
    assert!(refusal(&marked).contains("begins with a byte order mark"));
    let wide: Vec<_> = [0xfeff].into_iter().chain(JSON.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(refusal(&wide), "the JSON is UTF-16, as some editors write it: save it as UTF-8\n");
    let latin = b"{\"rules\": [\n{\"name\": \"gr\xfc\xdfe\"}]}";
    assert_eq!(refusal(latin), "the JSON is not UTF-8: line 2 has bytes that are no text\n");

    let lines = JSON.replace(' ', "\r\n\t");
    seal(&file(&folder, "rules.json", lines), &output).run().expect_code(0);
}

#[test]
fn a_disk_that_is_full_leaves_what_was_there_and_nothing_else() {
    let folder = Configs::none();
    let json = file(&folder, "rules.json", JSON);
    let output = folder.path().join("output");
    // No file may grow. Without the signal SIGXFSZ, this looks like a full disk to the program.
    let full = |program: &str| -> Ended {
        let script = format!("trap '' XFSZ; ulimit -f 0; exec {} {program}", e2e::svc_example());
        Program::new("bash").args(["-c", &script]).run()
    };
    let command =
        format!("config seal --service quota --plain --output {} {}", output.display(), json.display());
    let refused = full(&command);
    refused.expect_code(1);
    assert!(refused.stderr.contains("output can't be written: "), "{}", refused.stderr);
    assert_eq!(names(folder.path()), ["rules.json"]);

    seal(&json, &output).run().expect_code(0);
    let before = fs::read(&output).unwrap();
    full(&format!("{command} --force")).expect_code(1);
    full(&format!("config keygen --force --output {}", output.display())).expect_code(1);
    assert_eq!(fs::read(&output).unwrap(), before);
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn of_many_who_seal_to_one_file_one_wins() {
    let folder = Configs::none();
    let json = file(&folder, "rules.json", JSON);
    let target = tempfile::tempdir().unwrap();
    let output = target.path().join("output");
    let all = |force: &[&str]| -> Vec<Ended> {
        let running: Vec<Process> = (0..6).map(|_| seal(&json, &output).args(force).start()).collect();
        running.iter().map(|process| process.ended()).collect()
    };
    let ended = all(&[]);
    assert_eq!(ended.iter().filter(|ended| ended.code() == Some(0)).count(), 1, "{ended:?}");
    for loser in ended.iter().filter(|ended| ended.code() != Some(0)) {
        loser.expect_code(1);
        assert!(loser.stderr.contains("exists: it is not overwritten unless forced"), "{}", loser.stderr);
    }
    for winner in all(&["--force"]) {
        winner.expect_code(0);
    }
    assert_eq!(names(target.path()), ["output"]);
    let opened = config(["open", "--service", "quota"]).args([&output]).run();
    assert!(opened.stdout.contains("\"mail\""), "{opened:?}");
}

#[test]
fn whoever_asks_for_a_check_hears_of_everything_that_is_only_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Configs::none().rules(&[("mail", |mut rule| rule.set_permits(1))]);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    config(["keygen", "--output"]).args([folder.path().join("config.identity")]).run().expect_code(0);
    mode(&folder.path().join("config.identity"), 0o444);
    mode(folder.path(), 0o777);
    let other = folder.path().join("0x77");
    fs::copy(folder.path_of(QUOTA), &other).unwrap();
    let expected = [
        "config.identity may be read by others than its owner (mode 0444)",
        "may be changed by everyone (mode 0777)",
        "config 0x77 is",
    ];
    let checked = config([Path::new("check"), folder.path()]).run();
    checked.expect_code(0);
    let json = config([Path::new("check"), folder.path(), Path::new("--json")]).run();
    let started = folder.service().args(["--check"]).run();
    started.expect_code(0);
    for warning in expected {
        assert!(
            checked.stdout.contains(warning) && started.stderr.contains(warning),
            "{checked:?} {started:?}"
        );
    }
    assert!(json.stdout.contains(expected[0]) && json.stdout.contains(expected[1]), "{}", json.stdout);
}
