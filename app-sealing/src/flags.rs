//! The flag that names the config identities.

use std::path::PathBuf;

use app_core::clap;

/// The flag that names the config identities. Every application that links this crate has it.
#[derive(Debug, Clone, Default, clap::Args)]
#[non_exhaustive]
pub struct IdentityFlags {
    /// File of age identities that open sealed configs (default: config.identity in the config directory, if it is there)
    #[arg(long, env = "OP_CONFIG_IDENTITY", value_name = "FILE")]
    pub config_identity: Option<PathBuf>,
}

app_core::flag_group! { IdentityFlags }
