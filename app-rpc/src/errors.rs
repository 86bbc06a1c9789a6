//! Error specs of this crate. The ids are new: the original had none for RPC.

use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
use app_ids::ErrorId;

const fn spec(id: u64, severity: ErrorSeverity) -> ErrSpec {
    ErrSpec::new(ErrorId::new(id), ErrorType::KnownEdgeCase, severity).without_stack()
}

/// An RPC server can't listen on its address.
pub const RPC_BIND_FAILED: ErrSpec = spec(0x9040_bc61_3719_72a7, ErrorSeverity::Fatal);

/// An RPC server or client can't use its config.
pub const RPC_CONFIG_UNUSABLE: ErrSpec =
    ErrSpec::new(ErrorId::new(0xd8b2_a1b0_1f47_5467), ErrorType::Config, ErrorSeverity::Fatal)
        .without_stack();

/// A call was not sent, because there was no connection. Trying again is safe.
pub const RPC_NOT_SENT: ErrSpec = spec(0xdd66_d698_517c_7b58, ErrorSeverity::High);

/// A call was sent, and it is unknown whether it was executed.
pub const RPC_MAYBE_EXECUTED: ErrSpec = spec(0xd8fc_0bed_0b3e_3d92, ErrorSeverity::High);

/// The server refused a call, and executed no part of it. Trying again is safe.
pub const RPC_REFUSED: ErrSpec = spec(0xe4a4_15e6_5ca8_3b33, ErrorSeverity::High);

/// The server executed a call, and it failed.
pub const RPC_FAILED: ErrSpec = spec(0xdcd1_769d_58c3_ee5c, ErrorSeverity::High);
