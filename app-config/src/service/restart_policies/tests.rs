//! Restart policies from a config: which are refused, and that the kernel follows the others.

use app_core::{
    ExitStatus, ServiceDescriptor,
    prelude::{Service, errors},
    testing::{TestApp, TestAppBuilder, runs},
};
use capnp::message::Builder;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

const SEVEN: ServiceId = ServiceId::new(7);
const EIGHT: ServiceId = ServiceId::new(8);

type Build = fn(restart_policy_spec::Builder<'_>);

fn content(policies: &[(ServiceId, Build)]) -> Builder<capnp::message::HeapAllocator> {
    let mut message = Builder::new_default();
    let spec = message.init_root::<config_service_spec::Builder<'_>>();
    let mut list = spec.init_restart_policies(u32::try_from(policies.len()).unwrap());
    for (index, (id, build)) in (0..).zip(policies) {
        let mut policy = list.reborrow().get(index);
        policy.set_service_id(id.as_u64());
        build(policy);
    }
    message
}

fn put(app: &TestAppBuilder, policies: &[(ServiceId, Build)]) {
    let mut file = Vec::new();
    crate::codec::marshal(&content(policies), &mut file).unwrap();
    let path = app.config_dir().join(crate::compat::service_config_id(CONFIG_SERVICE_ID));
    std::fs::write(&path, file).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

fn problems(policies: &[(ServiceId, Build)]) -> String {
    let mut bytes = Vec::new();
    crate::codec::marshal(&content(policies), &mut bytes).unwrap();
    let message = crate::codec::unmarshal(&mut bytes.as_slice()).unwrap();
    crate::parse::<RestartPolicies>(message).unwrap_err().to_string()
}

fn fails(id: ServiceId, name: &'static str) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, move |service: Service| async move {
        service.spawn("fails", async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Err::<(), _>(errors::BUG.error(id).message("as it should").build())
        })
    })
}

#[test]
fn what_makes_no_sense_is_refused_with_its_path() {
    let refused = problems(&[
        (ServiceId::new(0), |_| {}),
        (SEVEN, |_| {}),
        (SEVEN, |mut policy| policy.set_window_seconds(0)),
        (EIGHT, |mut policy| policy.set_backoff_shortest_millis(30_001)),
        (ServiceId::new(9), |mut policy| policy.set_backoff_longest_millis(0)),
        (ServiceId::new(10), |mut policy| policy.set_max_restarts(1_001)),
    ]);
    let expected = [
        "restartPolicies[0].serviceId: must not be zero",
        "restartPolicies[2].serviceId: service 7 is there twice",
        "restartPolicies[2].windowSeconds: must be from 1 to 86400, found 0",
        "restartPolicies[3].backoffShortestMillis: must be at most backoffLongestMillis (30000), found 30001",
        "restartPolicies[4].backoffLongestMillis: must be from 1 to 3600000, found 0",
        "restartPolicies[4].backoffShortestMillis: must be at most backoffLongestMillis (0), found 200",
        "restartPolicies[5].maxRestarts: must be from 0 to 1000, found 1001",
    ];
    for line in expected {
        assert!(refused.contains(line), "{line} is not in {refused}");
    }
}

#[test]
fn a_policy_that_names_only_its_service_is_the_default_of_the_code() {
    let mut bytes = Vec::new();
    crate::codec::marshal(&content(&[(SEVEN, |_| {})]), &mut bytes).unwrap();
    let policies =
        crate::parse::<RestartPolicies>(crate::codec::unmarshal(&mut bytes.as_slice()).unwrap()).unwrap();
    assert_eq!(policies.0, [(SEVEN, Restart::on_failure())]);
}

#[tokio::test]
async fn a_service_that_the_application_does_not_have_is_refused_before_anything_starts() {
    let app = TestApp::builder().linked([CONFIG_SERVICE_ID]).service(runs(SEVEN, "seven"));
    put(&app, &[(SEVEN, |_| {}), (EIGHT, |_| {})]);
    let app = app.build();
    let report = app.start().await.unwrap_err();
    assert_eq!(report.exit_status(), ExitStatus::Config, "{report:?}");
    let text = app.captured().text();
    assert!(
        text.contains("restartPolicies[1].serviceId: no service of this application has the id 0x8"),
        "{text}"
    );
    assert!(!text.contains("service starting"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_kernel_follows_the_config_in_place_of_the_code() {
    // In its code, service seven restarts, and service eight stays stopped.
    let services = [fails(SEVEN, "seven").restart(Restart::on_failure()), fails(EIGHT, "eight")];
    let app = TestApp::builder().linked([CONFIG_SERVICE_ID]).services(services);
    put(
        &app,
        &[
            (SEVEN, |mut policy| policy.set_after(RestartAfter::Never)),
            (EIGHT, |mut policy| {
                policy.set_max_restarts(2);
                policy.set_window_seconds(3_600);
                policy.set_backoff_shortest_millis(1_000);
            }),
        ],
    );
    let app = app.start().await;
    let policy = |id| app.restart_policy(id).unwrap().to_string();
    assert_eq!((policy(SEVEN), policy(EIGHT)), ("never".to_owned(), "on failure, 2 in 1h".to_owned()));
    let report = app.stopped().await;
    assert_eq!(report.exit_status(), ExitStatus::Fatal);
    let statuses = app.service_statuses();
    let restarts = |id| statuses.iter().find(|status| status.id == id).unwrap().restarts;
    assert_eq!((restarts(SEVEN), restarts(EIGHT)), (0, 2));
}
