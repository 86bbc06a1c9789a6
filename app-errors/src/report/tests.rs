//! What a report adds.

use app_ids::ServiceId;

use super::*;
use crate::errors::SERVICE_NOT_ALIVE;

#[test]
fn a_report_is_the_errors_json_and_where_it_came_from() {
    let error = SERVICE_NOT_ALIVE.error(ServiceId::new(0x5e)).message("m").build();
    let origin = Origin {
        domain: DomainId::new(0xd0),
        app: AppId::new(0xa0),
        release: ReleaseId::new(0xe0),
        instance: InstanceId::new(u64::MAX),
        pid: 4242,
        host: "host-1".to_owned(),
    };
    let mut expected = error.to_json();
    for (key, value) in [
        ("domain", json!("d0")),
        ("app", json!("a0")),
        ("release", json!("e0")),
        ("instance", json!("ffffffffffffffff")),
        ("pid", json!(4242)),
        ("host", json!("host-1")),
    ] {
        assert!(expected.get(key).is_none(), "{key} is a key of errors");
        expected[key] = value;
    }
    assert_eq!(Report { error: &error, origin: &origin }.to_json(), expected);
}
