//! New configs while the service runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use app_config::Configs;
use schema::tracing_capnp::tracing_spec;

use super::*;

/// Replaces the config in the directory, in one step.
fn put(dir: &Path, endpoint: &str, ratio: f64, filter: &str) {
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<tracing_spec::Builder<'_>>();
    spec.set_endpoint(endpoint);
    spec.set_ratio(ratio);
    spec.set_filter(filter);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let beside = dir.join("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, dir.join(app_config::compat::service_config_id(TRACING_SERVICE_ID))).unwrap();
}

/// Replaces the config, has it read, and waits until this holds.
async fn reload(app: &TestApp, (endpoint, ratio, filter): (&str, f64, &str), holds: impl Fn() -> bool) {
    put(app.config_dir(), endpoint, ratio, filter);
    app.get::<Configs>().reread(&[TRACING_SERVICE_ID]);
    let taken = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.unwrap();
}

/// Whether a new trace is sampled. `None` if spans are off.
fn sampled() -> Option<bool> {
    tracing::info_span!("one").in_scope(|| TraceContext::current().map(|context| context.sampled()))
}

fn is_detailed() -> bool {
    !tracing::debug_span!(target: "detailed", "detail").is_disabled()
}

#[expect(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
#[tokio::test]
async fn a_new_config_changes_collector_ratio_and_filter_and_can_turn_spans_off_and_on() {
    let _one = ONE.lock();
    let ((first, _), (second, mut got)) = (collector().await, collector().await);
    let (first, second) = (format!("http://{first}"), format!("http://{second}"));
    let builder = TestApp::builder()
        .linked([TRACING_SERVICE_ID])
        .provide(Variables::of(std::iter::empty::<(String, String)>()));
    put(builder.config_dir(), &first, 0.0, "info");
    let app = builder.start().await;
    let tracing = app.get::<Tracing>();
    assert_eq!((tracing.destination(), sampled()), (Some(format!("{first}/v1/traces")), Some(false)));
    assert!(!is_detailed());

    reload(&app, (&second, 1.0, "info,detailed=debug"), is_detailed).await;
    assert_eq!((tracing.destination(), sampled()), (Some(format!("{second}/v1/traces")), Some(true)));
    tracing::info_span!("to the second one").in_scope(|| {});
    let arrived = got.wait_for(|got| holds(got, "to the second one"));
    tokio::time::timeout(PATIENCE, arrived).await.unwrap().unwrap();

    // What an operation set for a time outlasts a new config.
    tracing.sample_for(0.0, Duration::from_secs(3600));
    assert_eq!(sampled(), Some(false));
    reload(&app, (&second, 1.0, "info"), || !is_detailed()).await;
    assert_eq!((tracing.ratio(), sampled()), (0.0, Some(false)));
    tracing.sample_as_configured();
    assert_eq!(sampled(), Some(true));

    // A config that is refused changes nothing.
    let refused = || app.captured().text().contains("ratio: must be 0 to 1");
    reload(&app, (&first, 1.5, "info"), refused).await;
    assert_eq!((tracing.destination(), sampled()), (Some(format!("{second}/v1/traces")), Some(true)));

    reload(&app, ("", 1.0, "info"), || sampled().is_none()).await;
    assert_eq!(tracing.destination(), None);
    reload(&app, (&second, 0.0, "info"), || sampled() == Some(false)).await;
    reload(&app, (&second, 1.0, "info"), || sampled() == Some(true)).await;
    app.stop().await.expect_clean();
}
