//! The ids of this crate, and the error spec of a config that could not be read.

use app_core::prelude::{ErrorId, ServiceId};
use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
use app_ids::{IdKind, IdName};

/// Service id of the config service.
pub const CONFIG_SERVICE_ID: ServiceId = ServiceId::new(0x8681_3dd7_8fd2_07f5);

/// The machine could not read a config: too few file descriptors, a disk error, or too little memory.
///
/// The config itself may be good. A start that fails with this error ends with status 1, so that supervisors try again.
pub const CONFIG_NOT_READ: ErrSpec =
    ErrSpec::new(ErrorId::new(0xe034_3dbe_feee_6cac), ErrorType::KnownEdgeCase, ErrorSeverity::Fatal)
        .without_stack();

app_ids::__inventory::submit! {
    IdName::new(IdKind::Error, CONFIG_NOT_READ.id.as_u64(), "ConfigNotRead")
}

/// Names a config for people: `config 0xe3054017c1b1d214 (metrics)`.
pub(crate) fn label(service: ServiceId) -> String {
    match service.name() {
        Some(name) => format!("config {service:#x} ({name})"),
        None => format!("config {service:#x}"),
    }
}
