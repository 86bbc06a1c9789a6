//! Configs that change while services run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use app_config::codec::marshal;
use app_config::{Config, ConfigDir, Configs, Configured, LiveConfig, Problems, ReloadStatus, StaleKind};
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use quota_schema::quota_capnp::quota_spec;
use serde_json::Value;

const FOLLOWS: ServiceId = ServiceId::new(0x93b0_6c51_0f7e_d42a);
const STAYS: ServiceId = ServiceId::new(0x8f1d_47a2_c396_0b5e);

app_core::service! { id: FOLLOWS, name: "follows", start: follow }
app_core::service! { id: STAYS, name: "stays", start: stay }
app_config::config! { Names<{ FOLLOWS.as_u64() }>, "Names that may change." }
app_config::config! { Names<{ STAYS.as_u64() }>, "Names that stay." }

/// The config of the service with this id. A config without a name is refused, and the name "panic" panics.
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
                "panic" => panic!("as the test wants it"),
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

async fn follow(service: Service, config: LiveConfig<Names<{ FOLLOWS.as_u64() }>>) -> Result<Follows, Error> {
    let (log, mut mine) = (service.log().clone(), config.clone());
    service.spawn("follow", async move {
        while let Some(names) = mine.changed().await {
            info!(log, "now {}", names.0.join(" "); "from_file" => names.from_file());
        }
    })?;
    Ok(Follows(config))
}

struct Stays(Configured<Names<{ STAYS.as_u64() }>>);

impl Exposed for Stays {
    const SERVICE: ServiceId = STAYS;
}

async fn stay(config: Configured<Names<{ STAYS.as_u64() }>>) -> Result<Stays, Error> {
    Ok(Stays(config))
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

/// Writes the file beside its path and moves it there, as `config seal` does.
fn replace(file: &Path, content: &[u8]) {
    let beside = file.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, file).unwrap();
}

/// An application with this config for the service that follows it.
async fn app_with(names: &[&str]) -> (TestApp, PathBuf) {
    let builder = TestApp::builder().linked([FOLLOWS]);
    let file = file(&builder, FOLLOWS);
    replace(&file, &content(names));
    (builder.start().await, file)
}

fn file(builder: &TestAppBuilder, service: ServiceId) -> PathBuf {
    ConfigDir::new(builder.config_dir()).file(service)
}

fn names(app: &TestApp) -> Vec<String> {
    app.get::<Follows>().0.current().0.clone()
}

fn status(app: &TestApp, service: ServiceId) -> ReloadStatus {
    let statuses = app.get::<Configs>().reload_statuses();
    statuses.into_iter().find(|status| status.service == service).unwrap()
}

/// Reloads, refusals, and whether the last content was refused.
fn told(app: &TestApp, service: ServiceId) -> (u64, u64, bool) {
    let status = status(app, service);
    (status.reloads, status.refusals, status.is(StaleKind::Refused))
}

/// Why the content of the file was refused.
fn refusal(app: &TestApp, service: ServiceId) -> Option<String> {
    status(app, service).stale.map(|stale| stale.reason)
}

/// Longer than it takes to see a change.
async fn look() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

/// Waits for a record whose message has this text.
async fn record(app: &TestApp, part: &str) -> Value {
    let has = |record: &Value| record["message"].as_str().is_some_and(|text| text.contains(part));
    app.captured().wait_for(has).await
}

/// How many records have this text in their message.
fn count(app: &TestApp, part: &str) -> usize {
    let records = app.captured().records();
    records.iter().filter(|record| record["message"].as_str().is_some_and(|text| text.contains(part))).count()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_replaced_or_written_in_place_is_reloaded() {
    let (app, file) = app_with(&["a"]).await;
    assert!(status(&app, FOLLOWS).reloadable);
    replace(&file, &content(&["b", "c"]));
    assert_eq!(record(&app, "now b c").await["from_file"], true);
    fs::write(&file, content(&["d"])).unwrap();
    record(&app, "now d").await;
    assert_eq!(names(&app), ["d"]);
    look().await;
    assert_eq!((told(&app, FOLLOWS), count(&app, "now ")), ((2, 0, false), 2));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_comes_where_there_was_none_is_reloaded() {
    let app = TestApp::with([FOLLOWS]).await;
    assert_eq!(names(&app), ["default"]);
    replace(&ConfigDir::new(app.config_dir()).file(FOLLOWS), &content(&["a"]));
    record(&app, "now a").await;
    app.stop().await.expect_clean();
}

/// As in Kubernetes: each file is a link through `..data`, which is a link to the current directory.
#[tokio::test(start_paused = true)]
async fn the_swap_of_a_mounted_directory_reloads_what_is_new_in_it_and_nothing_else() {
    let builder = TestApp::builder().linked([FOLLOWS, STAYS]);
    let dir = builder.config_dir().to_owned();
    for (version, names) in [("..1", "a"), ("..2", "b")] {
        fs::create_dir(dir.join(version)).unwrap();
        replace(&ConfigDir::new(dir.join(version)).file(FOLLOWS), &content(&[names]));
        replace(&ConfigDir::new(dir.join(version)).file(STAYS), &content(&["same"]));
    }
    symlink("..1", dir.join("..data")).unwrap();
    for service in [FOLLOWS, STAYS] {
        let name = ConfigDir::file_name(service);
        symlink(Path::new("..data").join(&name), dir.join(&name)).unwrap();
    }
    let app = builder.start().await;
    symlink("..2", dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    fs::remove_dir_all(dir.join("..1")).unwrap();
    record(&app, "now b").await;
    look().await;
    assert_eq!((count(&app, "(follows)"), count(&app, "(stays)")), (1, 0), "{}", app.captured().text());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_is_refused_and_told_of_once_and_the_old_value_stays_until_it_is_mended() {
    let (app, file) = app_with(&["a"]).await;
    replace(&file, &content(&["", "b", ""]));
    let refused = record(&app, "not reloaded, the value in effect stays").await;
    assert_eq!((&refused["level"], &refused["event"]), (&"error".into(), &"823407a4ed427f33".into()));
    let text = refused["message"].as_str().unwrap();
    assert!(
        text.contains("(follows): rules[0].name: must not be empty; rules[2].name: must not be empty"),
        "{text}"
    );
    look().await;
    assert_eq!((told(&app, FOLLOWS), count(&app, "not reloaded")), ((0, 1, true), 1));
    assert_eq!(names(&app), ["a"]);
    let said = refusal(&app, FOLLOWS).unwrap();
    assert!(said.contains("rules[0].name: must not be empty") && said.contains("(file /"), "{said}");

    replace(&file, b"nonsense");
    look().await;
    assert_eq!((told(&app, FOLLOWS), count(&app, "not reloaded")), ((0, 2, true), 2));
    replace(&file, &content(&["c"]));
    record(&app, "now c").await;
    look().await;
    assert_eq!((told(&app, FOLLOWS), refusal(&app, FOLLOWS)), ((1, 2, false), None));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_is_no_reload() {
    let (app, file) = app_with(&["a"]).await;
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    record(&app, "mode 0666").await;
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    record(&app, "is good again").await;
    assert_eq!((told(&app, FOLLOWS), count(&app, "now ")), ((0, 1, false), 0));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_half_written_when_it_is_read_is_refused_and_then_read_again() {
    let (app, file) = app_with(&["a"]).await;
    let whole = content(&["a", "longer", "list"]);
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    record(&app, "cut short").await;
    fs::write(&file, &whole).unwrap();
    record(&app, "now a longer list").await;
    look().await;
    assert_eq!(told(&app, FOLLOWS), (1, 1, false));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_does_not_mean_the_default() {
    let (app, file) = app_with(&["a"]).await;
    fs::remove_file(&file).unwrap();
    let gone = record(&app, "the value in effect stays until the process ends").await;
    assert_eq!(gone["level"], "error");
    look().await;
    assert_eq!((names(&app), told(&app, FOLLOWS)), (vec!["a".to_owned()], (0, 0, false)));
    let status = status(&app, FOLLOWS);
    assert!(status.is(StaleKind::Gone) && status.from_file, "{status:?}");
    replace(&file, &content(&["b"]));
    record(&app, "now b").await;
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_is_asked_for_reads_at_once_and_says_what_came_of_it() {
    let (app, file) = app_with(&["a"]).await;
    // Between two looks, time passes only while files are read.
    replace(&file, &content(&["b"]));
    assert!(app.reload());
    let done = record(&app, "configs were read again").await;
    // The config service has a config too.
    assert_eq!([&done["reloaded"], &done["unchanged"], &done["refused"]], [1, 1, 0]);
    assert_eq!(names(&app), ["b"]);
    assert!(app.reload());
    let again = |record: &Value| record["unchanged"] == 2;
    app.captured().wait_for(again).await;
    assert_eq!(count(&app, "now "), 1, "what is the same is not handed over again");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn of_a_config_that_is_not_followed_the_log_says_what_the_next_start_will_find() {
    let builder = TestApp::builder().linked([STAYS]);
    let file = file(&builder, STAYS);
    replace(&file, &content(&["a"]));
    let app = builder.start().await;
    replace(&file, &content(&["b"]));
    let told_of = record(&app, "has changed: it takes effect at the next start").await;
    assert_eq!((&told_of["level"], &told_of["config"]), (&"info".into(), &STAYS.hex().into()));
    look().await;
    assert_eq!(count(&app, "next start"), 1);
    assert!(
        app.get::<Configs>().reload_statuses().iter().any(|status| status.waiting && status.stale.is_none())
    );
    replace(&file, &content(&[""]));
    let refused = record(&app, "not reloaded, the value in effect stays").await;
    assert_eq!(refused["level"], "error");
    assert_eq!(told(&app, STAYS), (0, 1, true));
    fs::remove_file(&file).unwrap();
    record(&app, "the file was removed").await;
    let status = status(&app, STAYS);
    assert!(status.is(StaleKind::Gone) && !status.reloadable && !status.waiting, "{status:?}");
    assert_eq!(app.get::<Stays>().0.0, ["a"]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_when_it_reads_its_new_config_goes_on_with_the_old_one() {
    let (app, file) = app_with(&["a"]).await;
    replace(&file, &content(&["panic"]));
    record(&app, "its service panicked when it read it").await;
    look().await;
    assert_eq!((names(&app), told(&app, FOLLOWS)), (vec!["a".to_owned()], (0, 1, true)));
    replace(&file, &content(&["b"]));
    record(&app, "now b").await;
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn who_loads_a_config_that_others_follow_takes_nothing_from_them() {
    let (app, file) = app_with(&["a"]).await;
    replace(&file, &content(&["b"]));
    let loaded = app.get::<Configs>().load::<Names<{ FOLLOWS.as_u64() }>>().unwrap();
    assert_eq!(loaded.0, ["b"]);
    record(&app, "now b").await;
    replace(&file, &content(&["c"]));
    record(&app, "now c").await;
    look().await;
    assert_eq!((loaded.0.as_slice(), told(&app, FOLLOWS)), (&["b".to_owned()][..], (2, 0, false)));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_was_asked_for_is_told_once_it_is_done() {
    let (app, file) = app_with(&["a"]).await;
    let (asked, mut done) = (app.reloads(), app.get::<Configs>().reloaded());
    for names in [&["b"], &["panic"]] {
        replace(&file, &content(names));
        app.reload();
        let number = *asked.borrow();
        done.wait_for(|done| *done == number).await.unwrap();
        assert_eq!(app.get::<Follows>().0.current().0, ["b"], "after it, not before");
    }
    assert!(status(&app, FOLLOWS).is(StaleKind::Refused));
    app.stop().await.expect_clean();
}
