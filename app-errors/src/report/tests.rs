//! The keys that a report adds.

use app_ids::{AppId, DomainId, InstanceId, ReleaseId, ServiceId};

use super::*;
use crate::errors::SERVICE_NOT_ALIVE;

#[test]
fn a_report_is_the_json_of_the_error_with_its_origin() {
    let error = SERVICE_NOT_ALIVE.error(ServiceId::new(0x5e)).message("m").build();
    let origin = ErrorOrigin {
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
        assert!(expected.get(key).is_none(), "{key} is also a key of errors");
        expected[key] = value;
    }
    assert_eq!(ErrorReport::new(&error, &origin).to_json(), expected);
}
