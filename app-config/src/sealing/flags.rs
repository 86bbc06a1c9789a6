//! The flags of sealed configs.

use std::path::PathBuf;

use app_core::{args, clap};

/// The flags of sealed configs. Every application that links this crate has them.
#[derive(Debug, Clone, Default, clap::Args)]
#[non_exhaustive]
pub struct SealingFlags {
    /// File of age identities that open sealed configs (default: config.identity in the config directory, if it is there)
    #[arg(long, env = "OP_CONFIG_IDENTITY", value_name = "FILE")]
    pub config_identity: Option<PathBuf>,

    /// Refuse configs that are not sealed.
    #[arg(long, env = "OP_REQUIRE_SEALED", value_parser = args::boolean)]
    pub require_sealed: bool,
}

app_core::flag_group! { SealingFlags }
