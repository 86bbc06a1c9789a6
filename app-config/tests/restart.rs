//! A restart while the file of a config is bad: the service starts on the last good value of the process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use app_config::codec::marshal;
use app_config::{Config, ConfigDir, Configs, Configured, LiveConfig, Problems, ReloadStatus, StaleKind};
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_core::{Restart, ServiceState};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use quota_schema::quota_capnp::quota_spec;
use serde_json::Value;

const FOLLOWS: ServiceId = ServiceId::new(0xa3b0_6c51_0f7e_d42a);
const STAYS: ServiceId = ServiceId::new(0xaf1d_47a2_c396_0b5e);

app_core::service! { id: FOLLOWS, name: "follows", start: follow, restart: Restart::on_failure() }
app_core::service! { id: STAYS, name: "stays", start: stay }
app_config::config! { Names<{ FOLLOWS.as_u64() }>, "Names that may change." }
app_config::config! { Names<{ STAYS.as_u64() }>, "Names that stay." }

/// The config of the service with this id. An empty name is refused. The start refuses "unusable" and panics at "panic".
#[derive(Debug)]
struct Names<const SERVICE: u64>(Vec<String>);

impl<const SERVICE: u64> Config for Names<SERVICE> {
    const SERVICE: ServiceId = ServiceId::new(SERVICE);
    type Schema = quota_spec::Owned;

    fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut rules = problems.at("rules");
        let mut names = Vec::new();
        for (index, rule) in rules.value(spec.get_rules())?.iter().enumerate() {
            let mut place = rules.index(index);
            let mut place = place.field("name");
            match place.text(rule.get_name())? {
                "" => place.add("must not be empty"),
                name => names.push(name.to_owned()),
            }
        }
        Some(Self(names))
    }

    fn without_file() -> Self {
        Self(vec!["default".to_owned()])
    }
}

struct Follows(LiveConfig<Names<{ FOLLOWS.as_u64() }>>);

impl Exposed for Follows {
    const SERVICE: ServiceId = FOLLOWS;
}

async fn follow(config: LiveConfig<Names<{ FOLLOWS.as_u64() }>>) -> Result<Follows, Error> {
    usable(FOLLOWS, &config.current().0)?;
    Ok(Follows(config))
}

struct Stays(Configured<Names<{ STAYS.as_u64() }>>);

impl Exposed for Stays {
    const SERVICE: ServiceId = STAYS;
}

async fn stay(config: Configured<Names<{ STAYS.as_u64() }>>) -> Result<Stays, Error> {
    usable(STAYS, &config.0)?;
    Ok(Stays(config))
}

fn usable(service: ServiceId, names: &[String]) -> Result<(), Error> {
    assert!(!names.iter().any(|name| name == "panic"), "as the test wants it");
    if names.iter().any(|name| name == "unusable") {
        return Err(errors::CONFIG_FAILURE.error(service).message("\"unusable\" can't be used").build());
    }
    Ok(())
}

fn content(names: &[&str]) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    let count = u32::try_from(names.len()).unwrap();
    let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(count);
    for (index, name) in (0..).zip(names) {
        rules.reborrow().get(index).set_name(*name);
    }
    let mut content = Vec::new();
    marshal(&message, &mut content).unwrap();
    content
}

/// A sealed file. Nothing in this program opens it.
const SEALED: &[u8] =
    b"age-encryption.org/v1\n-> X25519 a\nb\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nsealed";

/// Replaces a file.
type PutFile = fn(&Path);

fn replace(file: &Path, content: &[u8]) {
    let beside = file.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, file).unwrap();
}

fn file(builder: &TestAppBuilder, service: ServiceId) -> PathBuf {
    ConfigDir::new(builder.config_dir()).file(service)
}

/// An application whose two services have this config.
async fn app_with(names: &[&str]) -> (TestApp, [PathBuf; 2]) {
    let builder = TestApp::builder().linked([FOLLOWS, STAYS]);
    let files = [FOLLOWS, STAYS].map(|service| file(&builder, service));
    files.iter().for_each(|file| replace(file, &content(names)));
    (builder.start().await, files)
}

fn names(app: &TestApp) -> [Vec<String>; 2] {
    [app.get::<Follows>().0.current().0.clone(), app.get::<Stays>().0.0.clone()]
}

fn both(name: &str) -> [Vec<String>; 2] {
    [FOLLOWS, STAYS].map(|_| vec![name.to_owned()])
}

fn status(app: &TestApp, service: ServiceId) -> ReloadStatus {
    let statuses = app.get::<Configs>().reload_statuses();
    statuses.into_iter().find(|status| status.service == service).unwrap()
}

/// Restarts a service, and waits until it and its dependents run again.
async fn restart(app: &TestApp, service: ServiceId) {
    let before = restarts(app, FOLLOWS) + restarts(app, STAYS);
    app.app().restart(service, "as the test wants it").await.unwrap();
    while restarts(app, FOLLOWS) + restarts(app, STAYS) == before || !app.app().readiness().ready() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let gone = app.app().service_statuses().iter().any(|status| status.state == ServiceState::Failed);
        assert!(app.app().alive() && !gone, "{}", app.captured().text());
    }
}

async fn restart_both(app: &TestApp) {
    for service in [FOLLOWS, STAYS] {
        restart(app, service).await;
    }
}

fn restarts(app: &TestApp, service: ServiceId) -> u64 {
    app.app().service_statuses().into_iter().find(|status| status.id == service).unwrap().restarts
}

async fn record(app: &TestApp, part: &str) -> Value {
    let has = |record: &Value| record["message"].as_str().is_some_and(|text| text.contains(part));
    app.captured().wait_for(has).await
}

/// Checks that both services restart on "a", that the notes say why, and that good files end this state.
async fn restarts_on_the_last_good_value(app: TestApp, files: [PathBuf; 2], kind: StaleKind, why: &str) {
    restart_both(&app).await;
    assert_eq!(names(&app), both("a"));
    for service in [FOLLOWS, STAYS] {
        let status = status(&app, service);
        assert!(status.is(kind) && status.from_file, "{status:?}");
    }
    let notes = app.get::<Configs>().notes();
    assert!(notes.len() == 2 && notes.iter().all(|note| note.contains(why)), "{notes:?}");

    files.iter().for_each(|file| replace(file, &content(&["b"])));
    restart_both(&app).await;
    assert_eq!((names(&app), app.get::<Configs>().notes()), (both("b"), vec![]));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_restarts_on_the_last_good_value_whatever_is_in_the_place_of_its_file() {
    let whole = content(&["a"]);
    let refused: [(&[u8], &str); 5] = [
        (b"nonsense", "zlib"),
        (b"", "empty"),
        (&whole[..whole.len() - 3], "cut short"),
        (SEALED, "link app-sealing"),
        (&content(&[""]), "rules[0].name: must not be empty"),
    ];
    for (bad, why) in refused {
        let (app, files) = app_with(&["a"]).await;
        files.iter().for_each(|file| replace(file, bad));
        restarts_on_the_last_good_value(app, files, StaleKind::Refused, why).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_restarts_on_the_last_good_value_when_its_file_is_no_file_any_more() {
    let places: [(PutFile, &str); 5] = [
        (|file| fs::create_dir(file).unwrap(), "a directory, not a regular file"),
        (|file| mkfifo(file, Mode::S_IRUSR).unwrap(), "a FIFO, not a regular file"),
        (|file| symlink(file.file_name().unwrap(), file).unwrap(), "can't be opened"),
        (|file| symlink("nowhere", file).unwrap(), "a path that does not exist"),
        (
            |file| {
                fs::write(file, content(&["c"])).unwrap();
                fs::set_permissions(file, Permissions::from_mode(0o666)).unwrap();
            },
            "mode 0666",
        ),
    ];
    for (put, why) in places {
        let (app, files) = app_with(&["a"]).await;
        for file in &files {
            fs::remove_file(file).unwrap();
            put(file);
        }
        restart_both(&app).await;
        assert_eq!(names(&app), both("a"), "{why}");
        let notes = app.get::<Configs>().notes();
        assert!(notes.len() == 2 && notes.iter().all(|note| note.contains(why)), "{why}: {notes:?}");
        app.stop().await.expect_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_restarts_on_the_value_of_a_file_that_is_gone_and_says_so() {
    let (app, files) = app_with(&["a"]).await;
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    restarts_on_the_last_good_value(app, files, StaleKind::Gone, "is from a file that is gone since 2").await;
}

#[tokio::test(start_paused = true)]
async fn a_service_restarts_on_the_last_good_value_when_the_whole_directory_is_gone() {
    let (app, _) = app_with(&["a"]).await;
    fs::rename(app.config_dir(), app.config_dir().with_extension("away")).unwrap();
    restart_both(&app).await;
    assert_eq!((names(&app), app.get::<Configs>().notes().len()), (both("a"), 2));
    fs::rename(app.config_dir().with_extension("away"), app.config_dir()).unwrap();
    restart_both(&app).await;
    assert_eq!((names(&app), app.get::<Configs>().notes()), (both("a"), vec![]));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_start_with_its_new_config_starts_with_the_one_before() {
    for bad in ["unusable", "panic"] {
        let (app, files) = app_with(&["a"]).await;
        files.iter().for_each(|file| replace(file, &content(&[bad])));
        restart_both(&app).await;
        assert_eq!(names(&app), both("a"), "{bad}");
        let notes = app.get::<Configs>().notes();
        let why = "its service did not start with it: ";
        assert!(notes.len() == 2 && notes.iter().all(|note| note.contains(why)), "{notes:?}");
        // A reload does not give it to the running service.
        app.app().reload();
        assert_eq!(record(&app, "configs were read again").await["refused"], 2);
        assert_eq!(names(&app), both("a"), "{bad}");

        files.iter().for_each(|file| replace(file, &content(&["b"])));
        restart_both(&app).await;
        assert_eq!((names(&app), app.get::<Configs>().notes()), (both("b"), vec![]));
        app.stop().await.expect_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_config_that_never_took_effect_is_withdrawn_with_its_file() {
    let builder = TestApp::builder().linked([STAYS]);
    let file = file(&builder, STAYS);
    let app = builder.start().await;
    replace(&file, &content(&["b"]));
    record(&app, "takes effect at the next start").await;
    assert!(status(&app, STAYS).waiting && !status(&app, STAYS).from_file);
    fs::remove_file(&file).unwrap();
    app.app().reload();
    record(&app, "configs were read again").await;
    let status = status(&app, STAYS);
    assert!(!status.waiting && status.stale.is_none(), "{status:?}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_config_without_any_good_value_fails_clearly() {
    let builder = TestApp::builder().linked([FOLLOWS]);
    let dir = ConfigDir::new(builder.config_dir());
    let app = builder.start().await;
    replace(&dir.file(STAYS), b"nonsense");
    let error = app.get::<Configs>().load::<Names<{ STAYS.as_u64() }>>().unwrap_err();
    assert!(error.is(&errors::CONFIG_FAILURE) && error.to_string().contains("zlib"), "{error}");
    app.stop().await.expect_clean();
}
