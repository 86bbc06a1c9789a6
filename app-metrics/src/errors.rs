//! Errors of this crate. The Go library had no error ids for metrics, so these are this project's own.

use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
use app_ids::ErrorId;

/// The spec of a metric breaks a rule. The message names the metric, and every field with its reason.
pub const METRIC_SPEC_INVALID: ErrSpec =
    ErrSpec::new(ErrorId::new(0x8f59_3f8f_5688_a9a2), ErrorType::KnownEdgeCase, ErrorSeverity::High);

/// The service already has a metric with this id and another spec.
pub const METRIC_SPEC_CONFLICT: ErrSpec =
    ErrSpec::new(ErrorId::new(0x9cba_a083_74fe_8f9c), ErrorType::KnownEdgeCase, ErrorSeverity::High);

/// Two metrics have a readable name in common, or the name of a sample. The message names both.
pub const METRIC_NAME_CONFLICT: ErrSpec =
    ErrSpec::new(ErrorId::new(0xd3b1_7a52_0c4e_96f8), ErrorType::KnownEdgeCase, ErrorSeverity::High);

/// The config asks for the metrics of the crate `metrics`, and the program has another recorder for them.
pub const FACADE_TAKEN: ErrSpec =
    ErrSpec::new(ErrorId::new(0x84c7_e1f2_6b30_5da9), ErrorType::KnownEdgeCase, ErrorSeverity::High);

/// The HTTP server cannot listen on its address. The error has no stack, because it concerns the machine and not the
/// code.
pub const HTTP_BIND_FAILED: ErrSpec =
    ErrSpec::new(ErrorId::new(0xb1d2_593d_d599_f512), ErrorType::KnownEdgeCase, ErrorSeverity::Fatal)
        .without_stack();

/// Two routes match the same path, or a path is not valid.
pub const ROUTE_INVALID: ErrSpec =
    ErrSpec::new(ErrorId::new(0xc081_9a4a_99f6_f59b), ErrorType::Bug, ErrorSeverity::High);
