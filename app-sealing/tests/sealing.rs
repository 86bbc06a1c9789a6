//! Sealed configs in an application: the flags apply to the checks before a start, and to the configs that services get.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use app_config::codec::marshal;
use app_config::sealing::SealingFlags;
use app_config::{Config, ConfigDir, Configs, Configured, Problems};
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_sealing::{ConfigIdentity, IdentityFlags, seal};
use quota_schema::quota_capnp::quota_spec;

const LIMITS: ServiceId = ServiceId::new(0x5ea1_ed00_7e3f_2846);

app_core::service! { id: LIMITS, name: "sealed_limits", start: start }
app_config::config! { LimitsConfig, "How many limits there are." }

struct LimitsConfig {
    count: u32,
}

impl Config for LimitsConfig {
    const SERVICE: ServiceId = LIMITS;
    type Schema = quota_spec::Owned;

    fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        Some(Self { count: problems.at("rules").value(spec.get_rules())?.len() })
    }

    fn without_file() -> Self {
        Self { count: 0 }
    }
}

struct Limits(Configured<LimitsConfig>);

impl Exposed for Limits {
    const SERVICE: ServiceId = LIMITS;
}

async fn start(config: Configured<LimitsConfig>) -> Result<Limits, Error> {
    Ok(Limits(config))
}

fn plain(count: u32) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<quota_spec::Builder<'_>>().init_rules(count);
    let mut content = Vec::new();
    marshal(&message, &mut content).unwrap();
    content
}

fn sealed(count: u32, identity: &ConfigIdentity) -> Vec<u8> {
    seal(&plain(count), &[identity.recipient()]).unwrap()
}

fn put(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap();
}

fn put_config(dir: &Path, content: &[u8]) {
    put(&ConfigDir::new(dir).file(LIMITS), content);
}

/// Flags that name this file of identities.
fn naming(file: &Path) -> IdentityFlags {
    let mut flags = IdentityFlags::default();
    flags.config_identity = Some(file.to_owned());
    flags
}

/// The whole text of the refused start.
async fn refusal(builder: TestAppBuilder) -> String {
    let app = builder.build();
    let report = app.start().await.unwrap_err();
    assert_eq!(report.exit_status().code(), 78);
    format!("{report:?}\n{}", app.captured().text())
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_what_is_in_its_sealed_file() {
    let identity = ConfigIdentity::generate();
    let builder = TestApp::builder().linked([LIMITS]);
    put_config(builder.config_dir(), &sealed(3, &identity));
    put(&builder.config_dir().join("config.identity"), &identity.secret_text());
    let app = builder.start().await;
    let limits = app.get::<Limits>();
    assert_eq!((limits.0.count, limits.0.from_file()), (3, true));
    assert!(app.get::<Configs>().dir().sealing().identities().is_some());
    let log = app.captured().text();
    assert!(!log.contains("config identity") && !log.contains("SECRET-KEY"), "{log}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_flags_name_the_identity_and_require_sealing() {
    let identity = ConfigIdentity::generate();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("key");
    put(&path, &identity.secret_text());
    let with_flags = |content: &[u8]| {
        let mut required = SealingFlags::default();
        required.require_sealed = true;
        let builder = TestApp::builder().linked([LIMITS]).flag_group(naming(&path)).flag_group(required);
        put_config(builder.config_dir(), content);
        builder
    };
    let app = with_flags(&sealed(2, &identity)).start().await;
    assert_eq!(app.get::<Limits>().0.count, 2);
    app.stop().await.expect_clean();
    let text = refusal(with_flags(&plain(2))).await;
    assert!(
        text.contains("(sealed_limits): the file is not sealed, and --require-sealed refuses plain ones"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_is_named_and_not_there_stops_the_start() {
    let flags = naming(Path::new("/no/such/identity"));
    let text = refusal(TestApp::builder().linked([LIMITS]).flag_group(flags)).await;
    assert!(text.contains("config identity: there is no such file (file /no/such/identity)"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_sealed_file_that_nothing_opens_stops_the_start() {
    let (right, wrong) = (ConfigIdentity::generate(), ConfigIdentity::generate());
    let builder = TestApp::builder().linked([LIMITS]);
    put_config(builder.config_dir(), &sealed(1, &right));
    let text = refusal(builder).await;
    assert!(
        text.contains("(sealed_limits): the file is sealed, and there is no identity to open it: put one"),
        "{text}"
    );

    let builder = TestApp::builder().linked([LIMITS]);
    put_config(builder.config_dir(), &sealed(1, &right));
    put(&builder.config_dir().join("config.identity"), &wrong.secret_text());
    let text = refusal(builder).await;
    assert!(text.contains("the file is sealed to others: the one identity in "), "{text}");
    assert!(!text.contains("SECRET-KEY"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn bad_identities_are_told_once_and_with_the_other_problems() {
    let builder = TestApp::builder().linked([LIMITS]);
    let dir = builder.config_dir().to_owned();
    put_config(&dir, &sealed(1, &ConfigIdentity::generate()));
    put(&dir.join("0x77"), b"hunter2");
    put(&dir.join("config.identity"), b"# mine\nhunter2\n");
    let text = refusal(builder).await;
    assert!(text.contains("config identity: line 2 is no identity: it is no age key"), "{text}");
    assert!(text.contains("config 0x77: the file is no config"), "{text}");
    assert!(!text.contains("(sealed_limits)") && !text.contains("hunter2"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_others_may_read_is_warned_of_once() {
    let identity = ConfigIdentity::generate();
    let builder = TestApp::builder().linked([LIMITS]);
    put_config(builder.config_dir(), &sealed(1, &identity));
    let path = builder.config_dir().join("config.identity");
    put(&path, &identity.secret_text());
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let app = builder.start().await;
    let text = app.captured().text();
    let warning = "may be read by others than its owner (mode 0444): chmod go-r";
    assert_eq!(text.matches(warning).count(), 1, "{text}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_sealed_file_that_turned_bad_after_the_start_is_refused_and_logged() {
    let identity = ConfigIdentity::generate();
    let builder = TestApp::builder().linked([LIMITS]);
    put(&builder.config_dir().join("config.identity"), &identity.secret_text());
    let app = builder.start().await;
    let mut content = sealed(1, &identity);
    *content.last_mut().unwrap() ^= 1;
    put_config(app.config_dir(), &content);
    assert_eq!(
        app.get::<Configs>().load::<LimitsConfig>().unwrap().count,
        0,
        "the default that it started with"
    );
    let text = app.captured().text();
    assert!(text.contains("the file is not as it was sealed: it was changed, or cut short"), "{text}");
    app.stop().await.expect_clean();
}
