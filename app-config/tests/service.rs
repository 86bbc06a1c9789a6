//! The config service in an application: what start functions get, and how a bad file stops a start.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use app_config::codec::marshal;
use app_config::file::Located;
use app_config::{CONFIG_SERVICE_ID, Config, ConfigDir, Configs, Configured, LoadError, Problems};
use app_core::ServiceDescriptor;
use app_core::prelude::*;
use app_core::testing::TestApp;
use quota_schema::quota_capnp::quota_spec;

const LIMITS: ServiceId = ServiceId::new(0x9a5c_0b1d_7e3f_2846);

app_core::service! { id: LIMITS, name: "limits", start: start }
app_config::config! { LimitsConfig, "Limits by name." }

#[derive(Debug)]
struct LimitsConfig {
    names: Vec<String>,
}

impl Config for LimitsConfig {
    const SERVICE: ServiceId = LIMITS;
    type Schema = quota_spec::Owned;

    fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut rules = problems.at("rules");
        let mut names = Vec::new();
        for (index, rule) in rules.value(spec.get_rules())?.iter().enumerate() {
            let mut name = rules.index(index);
            let mut name = name.field("name");
            match name.text(rule.get_name())? {
                "" => name.add("must not be empty"),
                text => names.push(text.to_owned()),
            }
        }
        Some(Self { names })
    }

    fn without_file() -> Self {
        Self { names: vec!["default".to_owned()] }
    }
}

struct Limits(Configured<LimitsConfig>);

impl Exposed for Limits {
    const SERVICE: ServiceId = LIMITS;
}

async fn start(config: Configured<LimitsConfig>) -> Result<Limits, Error> {
    Ok(Limits(config))
}

fn put(dir: &Path, service: ServiceId, names: &[&str]) {
    let mut message = capnp::message::Builder::new_default();
    let count = u32::try_from(names.len()).unwrap();
    let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(count);
    for (index, name) in (0..).zip(names) {
        rules.reborrow().get(index).set_name(*name);
    }
    let mut content = Vec::new();
    marshal(&message, &mut content).unwrap();
    put_bytes(dir, service, &content);
}

fn put_bytes(dir: &Path, service: ServiceId, content: &[u8]) {
    let path = ConfigDir::new(dir).file(service);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_file_a_service_gets_the_default() {
    let app = TestApp::with([LIMITS]).await;
    let limits = app.get::<Limits>();
    assert_eq!((limits.0.names.as_slice(), limits.0.from_file()), (&["default".to_owned()][..], false));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_what_is_in_its_file() {
    let builder = TestApp::builder().linked([LIMITS]);
    put(builder.config_dir(), LIMITS, &["a", "b"]);
    let app = builder.start().await;
    let limits = app.get::<Limits>();
    assert_eq!((limits.0.names.len(), limits.0.from_file()), (2, true));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_bad_config_stops_the_start_with_every_problem_named() {
    let builder = TestApp::builder().linked([LIMITS]);
    put(builder.config_dir(), LIMITS, &["", "a", ""]);
    let app = builder.build();
    let report = app.start().await.unwrap_err();
    let text = format!("{report:?}");
    for index in [0, 2] {
        let expected =
            format!("config 0x9a5c0b1d7e3f2846 (limits): rules[{index}].name: must not be empty (file ");
        assert!(text.contains(&expected), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_was_named_and_is_not_there_is_logged() {
    let builder = TestApp::builder().linked([LIMITS]);
    let dir = builder.config_dir().to_owned();
    std::fs::remove_dir(&dir).unwrap();
    let app = builder.start().await;
    let warned = |reason| format!("config directory: it {reason}: ");
    assert!(app.captured().text().contains(&warned("does not exist")), "{}", app.captured().text());
    assert!(!app.get::<Limits>().0.from_file());
    app.stop().await.expect_clean();

    let builder = TestApp::builder().linked([LIMITS]);
    let dir = builder.config_dir().to_owned();
    std::fs::remove_dir(&dir).unwrap();
    std::os::unix::fs::symlink("nowhere", &dir).unwrap();
    let app = builder.start().await;
    let warned = format!(
        "is a symbolic link to a path that does not exist: mend it, or name another one (directory {})",
        dir.display()
    );
    assert!(app.captured().text().contains(&warned), "{}", app.captured().text());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_no_service_reads_is_logged() {
    let builder = TestApp::builder().linked([LIMITS]);
    put(builder.config_dir(), ServiceId::new(0x77), &["a"]);
    let app = builder.start().await;
    assert!(app.captured().text().contains("config 0x77 is not used"), "{}", app.captured().text());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_service_reads_any_config_when_asked_and_logs_what_it_refuses() {
    let app = TestApp::with([CONFIG_SERVICE_ID]).await;
    let configs = app.get::<Configs>();
    let (good, bad, none) = (ServiceId::new(0x71), ServiceId::new(0x72), ServiceId::new(0x73));
    put(app.config_dir(), good, &["a"]);
    put_bytes(app.config_dir(), bad, b"secret");

    let message = configs.config(good).unwrap().unwrap();
    let spec: quota_spec::Reader<'_> = message.get_root().unwrap();
    assert_eq!(spec.get_rules().unwrap().len(), 1);
    assert!(configs.config(none).unwrap().is_none());
    assert_eq!(configs.dir().service_ids().unwrap(), [good, bad]);

    let Err(error) = configs.config(bad) else { panic!("accepted") };
    assert!(error.is(&errors::CONFIG_FAILURE) && error.service() == bad);
    assert!(matches!(error.downcast_cause::<Located<LoadError>>().unwrap().error(), LoadError::Content(_)));
    let log = app.captured().text();
    assert!(log.contains("823407a4ed427f33") && log.contains("config 0x72: the file is no config"), "{log}");
    assert!(!log.contains("secret"), "{log}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_turned_bad_after_the_start_is_refused_with_all_its_problems() {
    let app = TestApp::with([CONFIG_SERVICE_ID]).await;
    put(app.config_dir(), LIMITS, &["", ""]);
    let error = app.get::<Configs>().load::<LimitsConfig>().unwrap_err();
    assert!(
        error.to_string().contains("rules[0].name: must not be empty; rules[1].name: must not be empty"),
        "{error}"
    );
    app.stop().await.expect_clean();
}

/// The only test here that installs an app, since the current app belongs to the process.
#[tokio::test(start_paused = true)]
async fn the_functions_of_the_package_are_those_of_the_current_app() {
    assert!(app_config::compat::config_dir().unwrap_err().is(&errors::APP_NOT_ALIVE));
    let app = TestApp::with([CONFIG_SERVICE_ID]).await;
    app_core::compat::install(app.app());
    let service = ServiceId::new(0x74);
    assert_eq!(app_config::compat::config_dir().unwrap(), app.config_dir());
    assert!(app_config::compat::config_dir_exists().unwrap());
    assert_eq!(app_config::compat::service_config_id(service), "0x74");
    assert_eq!(app_config::compat::service_config_path(service).unwrap(), app.config_dir().join("0x74"));
    assert!(!app_config::compat::service_config_exists(service).unwrap());
    assert!(app_config::compat::config(service).unwrap().is_none());
    put(app.config_dir(), service, &["a"]);
    assert!(app_config::compat::service_config_exists(service).unwrap());
    assert_eq!(app_config::compat::config_service_ids().unwrap(), [service]);
    let message = app_config::compat::config(service).unwrap().unwrap();
    assert_eq!(message.get_root::<quota_spec::Reader<'_>>().unwrap().get_rules().unwrap().len(), 1);
    app.stop().await.expect_clean();
}

/// A config whose service has a schema of another type, or none.
struct Taken<const SERVICE: u64>;

impl<const SERVICE: u64> Config for Taken<SERVICE> {
    const SERVICE: ServiceId = ServiceId::new(SERVICE);
    type Schema = quota_spec::Owned;

    fn read(_: quota_spec::Reader<'_>, _: &mut Problems) -> Option<Self> {
        Some(Self)
    }

    fn without_file() -> Self {
        Self
    }
}

/// Why the start of a service that takes such a config is refused.
async fn refusal<const SERVICE: u64>() -> String {
    let taker = |_: Configured<Taken<SERVICE>>| async { Ok(()) };
    let taker = ServiceDescriptor::of(ServiceId::new(0x7a), "taker", taker);
    let app = TestApp::builder().linked([LIMITS]).service(taker).build();
    format!("{:?}", app.start().await.unwrap_err())
}

#[tokio::test(start_paused = true)]
async fn a_config_whose_schema_is_not_registered_is_refused_without_any_file() {
    let forgotten = refusal::<0x7a>().await;
    assert!(
        forgotten.contains("service 7a takes the config service::Taken<122> of service 7a"),
        "{forgotten}"
    );
    assert!(
        forgotten.contains("no schema is registered for it: register the type with `app_config::config!`"),
        "{forgotten}"
    );

    let other_type = refusal::<{ LIMITS.as_u64() }>().await;
    assert!(other_type.contains("whose schema is registered for service::LimitsConfig"), "{other_type}");

    let nobody = refusal::<0x7b>().await;
    assert!(nobody.contains("of service 7b, which is not linked: correct the id"), "{nobody}");
}
