//! The flags of the service. They are flags of every application that links it; values that change belong into the config.

use app_core::{args, clap};

/// Flags of the quota service.
#[derive(Debug, Clone, clap::Args)]
pub struct QuotaFlags {
    /// Calls that may wait for the quota service, from 1 to 65535. Further calls wait for room.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = args::number(1_u16..=u16::MAX))]
    pub quota_queue: u16,
}

app_core::flag_group! { QuotaFlags }
