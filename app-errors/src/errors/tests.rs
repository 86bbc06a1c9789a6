//! The values of the wire format, written a second time.

use std::collections::HashSet;

use super::*;
use crate::{ErrorSeverity, ErrorType};

/// Spec, name, id, type, severity, and whether the spec captures a stack.
#[rustfmt::skip]
const EXPECTED: [(ErrSpec, &str, u64, ErrorType, ErrorSeverity, bool); 16] = [
    (BUG, "Bug", 0, ErrorType::Bug, ErrorSeverity::High, true),
    (APP_NOT_ALIVE, "AppNotAlive", 0xdf76e1927f240401, ErrorType::KnownEdgeCase, ErrorSeverity::Fatal, false),
    (CONFIG_FAILURE, "ConfigFailure", 0xe75f1a73534f382d, ErrorType::Config, ErrorSeverity::Fatal, false),
    (SERVICE_INIT_FAILED, "ServiceInitFailed", 0xec1bf26105c1a895, ErrorType::KnownEdgeCase, ErrorSeverity::Fatal, false),
    (SERVICE_SHUTDOWN_FAILED, "ServiceShutdownFailed", 0xc24ac892db47da9f, ErrorType::KnownEdgeCase, ErrorSeverity::Medium, true),
    (SERVICE_NOT_ALIVE, "ServiceNotAlive", 0x9cb3a496d32894d2, ErrorType::KnownEdgeCase, ErrorSeverity::High, false),
    (SERVICE_NOT_REGISTERED, "ServiceNotRegistered", 0xf34b64bac786f536, ErrorType::KnownEdgeCase, ErrorSeverity::High, false),
    (SERVICE_NOT_AVAILABLE, "ServiceNotAvailable", 0x8aae12f3016b7f50, ErrorType::KnownEdgeCase, ErrorSeverity::High, false),
    (SERVICE_ALREADY_REGISTERED, "ServiceAlreadyRegistered", 0xcfd879a478f9c733, ErrorType::KnownEdgeCase, ErrorSeverity::High, true),
    (ILLEGAL_ARGUMENT, "IllegalArgument", 0x9d95c5fac078b82c, ErrorType::KnownEdgeCase, ErrorSeverity::High, false),
    (INVALID_LOG_LEVEL, "InvalidLogLevel", 0x814a17666a94fe39, ErrorType::Config, ErrorSeverity::High, true),
    (HEALTH_CHECK_ALREADY_REGISTERED, "HealthCheckAlreadyRegistered", 0xdbfd6d9ab0049876, ErrorType::KnownEdgeCase, ErrorSeverity::Medium, true),
    (HEALTH_CHECK_NOT_REGISTERED, "HealthCheckNotRegistered", 0xefb3ffddac690f37, ErrorType::KnownEdgeCase, ErrorSeverity::Low, false),
    (HEALTH_CHECK_NOT_ALIVE, "HealthCheckNotAlive", 0xe1972916f1c18dae, ErrorType::KnownEdgeCase, ErrorSeverity::High, false),
    (HEALTH_CHECK_KILL_TIMEOUT, "HealthCheckKillTimeout", 0xf4ad6052397f6858, ErrorType::KnownEdgeCase, ErrorSeverity::High, false),
    (HEALTH_CHECK_TIMEOUT, "HealthCheckTimeout", 0x8257a572526e13f4, ErrorType::KnownEdgeCase, ErrorSeverity::High, false),
];

#[test]
fn every_error_keeps_its_id_type_and_severity() {
    for (spec, name, id, error_type, severity, captures_stack) in EXPECTED {
        assert_eq!(spec, ErrSpec { id: ErrorId::new(id), error_type, severity, captures_stack }, "{name}");
        assert_eq!(spec.id.name(), Some(name));
    }
}

#[test]
fn the_list_has_every_error_once() {
    assert_eq!(ALL, EXPECTED.map(|(spec, ..)| spec));
    assert_eq!(ALL.iter().map(|spec| spec.id).collect::<HashSet<_>>().len(), 16);
}
