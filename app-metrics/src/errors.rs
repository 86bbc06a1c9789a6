//! Errors of this crate. Ids are this project's own: the original had none for metrics.

use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
use app_ids::ErrorId;

/// A metric's spec breaks a rule; the message names the metric, and every field with its reason.
pub const METRIC_SPEC_INVALID: ErrSpec =
    ErrSpec::new(ErrorId::new(0x8f59_3f8f_5688_a9a2), ErrorType::KnownEdgeCase, ErrorSeverity::High);

/// A metric of the same service and id is registered already, with another spec.
pub const METRIC_SPEC_CONFLICT: ErrSpec =
    ErrSpec::new(ErrorId::new(0x9cba_a083_74fe_8f9c), ErrorType::KnownEdgeCase, ErrorSeverity::High);

/// The HTTP server can't listen on its address. Without a stack: it tells an operator of the machine, not of our code.
pub const HTTP_BIND_FAILED: ErrSpec =
    ErrSpec::new(ErrorId::new(0xb1d2_593d_d599_f512), ErrorType::KnownEdgeCase, ErrorSeverity::Fatal)
        .without_stack();

/// Two contributed routes have one path, or a path is none.
pub const ROUTE_INVALID: ErrSpec =
    ErrSpec::new(ErrorId::new(0xc081_9a4a_99f6_f59b), ErrorType::Bug, ErrorSeverity::High);
