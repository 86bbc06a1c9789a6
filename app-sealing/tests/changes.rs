//! Sealed configs and identities that change while services run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use app_config::codec::marshal;
use app_config::sealing::SealingFlags;
use app_config::{
    CONFIG_SERVICE_ID, Config, ConfigDir, Configs, Configured, LiveConfig, Problems, StaleKind,
};
use app_core::ServiceState;
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_sealing::{ConfigIdentity, seal};
use quota_schema::quota_capnp::quota_spec;
use serde_json::Value;

const FOLLOWS: ServiceId = ServiceId::new(0xb3b0_6c51_0f7e_d42a);
const STAYS: ServiceId = ServiceId::new(0xbf1d_47a2_c396_0b5e);

app_core::service! { id: FOLLOWS, name: "follows", start: follow }
app_core::service! { id: STAYS, name: "stays", start: stay }
app_config::config! { Names<{ FOLLOWS.as_u64() }>, "Names that may change." }
app_config::config! { Names<{ STAYS.as_u64() }>, "Names that stay." }

/// The config of the service with this id. A secret name is refused, and a broken one panics.
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
                name if name.starts_with("secret") => place.add_found("must be no secret", name),
                name if name.starts_with("broken") => panic!("broken by {name}"),
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
            info!(log, "now {}", names.0.join(" "));
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

fn file(builder: &TestAppBuilder, service: ServiceId) -> PathBuf {
    ConfigDir::new(builder.config_dir()).file(service)
}

fn names(app: &TestApp) -> Vec<String> {
    app.get::<Follows>().0.current().0.clone()
}

fn both_names(app: &TestApp) -> [Vec<String>; 2] {
    [names(app), app.get::<Stays>().0.0.clone()]
}

/// Reloads, refusals, and whether the last content was refused.
fn told(app: &TestApp, service: ServiceId) -> (u64, u64, bool) {
    let statuses = app.get::<Configs>().reload_statuses();
    let status = statuses.into_iter().find(|status| status.service == service).unwrap();
    (status.reloads, status.refusals, status.is(StaleKind::Refused))
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

/// Restarts the config service, and waits until all services run again.
async fn restart_configs(app: &TestApp) {
    let before = restarts(app);
    app.app().restart(CONFIG_SERVICE_ID, "as the test wants it").await.unwrap();
    while restarts(app) == before || !app.app().readiness().ready() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let gone = app.app().service_statuses().iter().any(|status| status.state == ServiceState::Failed);
        assert!(app.app().alive() && !gone, "{}", app.captured().text());
    }
}

/// How many times the services of this test were restarted.
fn restarts(app: &TestApp) -> u64 {
    let statuses = app.app().service_statuses();
    statuses.iter().filter(|status| [FOLLOWS, STAYS].contains(&status.id)).map(|status| status.restarts).sum()
}

/// Flags that refuse plain configs.
fn sealed_only() -> SealingFlags {
    let mut flags = SealingFlags::default();
    flags.require_sealed = true;
    flags
}

/// An application with a sealed config, the file, and the file of identities.
async fn sealed_app(identity: &ConfigIdentity) -> (TestApp, PathBuf, PathBuf) {
    let builder = TestApp::builder().linked([FOLLOWS]).flag_group(sealed_only());
    let (file, identities) = (file(&builder, FOLLOWS), builder.config_dir().join("config.identity"));
    replace(&identities, &identity.secret_text());
    replace(&file, &seal(&content(&["a"]), &[identity.recipient()]).unwrap());
    (builder.start().await, file, identities)
}

#[tokio::test(start_paused = true)]
async fn a_sealed_file_is_reloaded_and_a_plain_or_foreign_one_is_refused() {
    let identity = ConfigIdentity::generate();
    let (app, file, _) = sealed_app(&identity).await;
    replace(&file, &seal(&content(&["b"]), &[identity.recipient()]).unwrap());
    record(&app, "now b").await;
    replace(&file, &content(&["c"]));
    record(&app, "the file is not sealed").await;
    replace(&file, &seal(&content(&["c"]), &[ConfigIdentity::generate().recipient()]).unwrap());
    look().await;
    assert_eq!((names(&app), told(&app, FOLLOWS)), (vec!["b".to_owned()], (1, 2, true)));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_only_sealed_anew_is_no_change() {
    let identity = ConfigIdentity::generate();
    let (app, file, _) = sealed_app(&identity).await;
    replace(&file, &seal(&content(&["a"]), &[identity.recipient()]).unwrap());
    look().await;
    assert_eq!((told(&app, FOLLOWS), count(&app, "reloaded")), ((0, 0, false), 0));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_key_is_changed_without_a_restart_in_whatever_order_its_files_arrive() {
    let (old, new) = (ConfigIdentity::generate(), ConfigIdentity::generate());
    let (app, file, identities) = sealed_app(&old).await;
    replace(&file, &seal(&content(&["b"]), &[new.recipient()]).unwrap());
    record(&app, "not reloaded, the value in effect stays").await;
    replace(&identities, &new.secret_text());
    record(&app, "now b").await;
    look().await;
    assert_eq!(told(&app, FOLLOWS), (1, 1, false));

    // Bad identities are refused, and the earlier ones stay in use.
    replace(&identities, b"no identity");
    record(&app, "identities were not read again").await;
    replace(&file, &seal(&content(&["c"]), &[new.recipient()]).unwrap());
    record(&app, "now c").await;
    fs::remove_file(&identities).unwrap();
    record(&app, "there is no such file").await;
    replace(&file, &seal(&content(&["d"]), &[new.recipient()]).unwrap());
    record(&app, "now d").await;
    let log = app.captured().text();
    assert!(!log.contains("SECRET-KEY"), "{log}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_config_service_itself_forgets_neither_values_nor_identities() {
    let identity = ConfigIdentity::generate();
    let builder = TestApp::builder().linked([FOLLOWS, STAYS]).flag_group(sealed_only());
    let identities = builder.config_dir().join("config.identity");
    replace(&identities, &identity.secret_text());
    let sealed = |names: &[&str]| seal(&content(names), &[identity.recipient()]).unwrap();
    let files = [FOLLOWS, STAYS].map(|service| file(&builder, service));
    files.iter().for_each(|file| replace(file, &sealed(&["a"])));
    let app = builder.start().await;
    fs::remove_file(&identities).unwrap();
    replace(&files[0], b"nonsense");
    restart_configs(&app).await;
    assert_eq!(both_names(&app), [["a"], ["a"]]);
    let notes = app.get::<Configs>().notes();
    assert!(notes.len() == 2 && notes[0].contains("config identity is refused since 2"), "{notes:?}");
    assert!(!notes.concat().contains("SECRET-KEY"), "{notes:?}");

    // The identities in use still open a new file.
    replace(&files[0], &sealed(&["b"]));
    restart_configs(&app).await;
    assert_eq!(both_names(&app), [["b"], ["a"]]);
    replace(&identities, &identity.secret_text());
    restart_configs(&app).await;
    assert_eq!(app.get::<Configs>().notes(), Vec::<String>::new());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn of_a_sealed_config_that_is_refused_no_value_is_told() {
    let identity = ConfigIdentity::generate();
    let builder = TestApp::builder().linked([FOLLOWS]);
    replace(&builder.config_dir().join("config.identity"), &identity.secret_text());
    let file = file(&builder, FOLLOWS);
    replace(&file, &seal(&content(&["a"]), &[identity.recipient()]).unwrap());
    let app = builder.start().await;
    replace(&file, &seal(&content(&["secret-value"]), &[identity.recipient()]).unwrap());
    app.app().restart(FOLLOWS, "as the test wants it").await.unwrap();
    let refused = record(&app, "is the last good one").await;
    let text = refused["message"].as_str().unwrap();
    assert!(text.contains("rules[0].name: must be no secret (file "), "{text}");
    assert!(!app.captured().text().contains("secret-value"), "{}", app.captured().text());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn of_a_sealed_config_whose_validator_panics_no_value_is_told() {
    let identity = ConfigIdentity::generate();
    let builder = TestApp::builder().linked([FOLLOWS]);
    replace(&builder.config_dir().join("config.identity"), &identity.secret_text());
    let file = file(&builder, FOLLOWS);
    replace(&file, &seal(&content(&["broken-secret"]), &[identity.recipient()]).unwrap());
    let app = builder.build();
    let report = app.start().await.unwrap_err();
    assert_eq!(report.exit_status().code(), 78);
    let text = format!("{report:?}\n{}", app.captured().text());
    assert!(text.contains("its service panicked when it read it"), "{text}");
    assert!(!text.contains("broken"), "{text}");
}
