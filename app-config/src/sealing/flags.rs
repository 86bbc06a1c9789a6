//! The flag that demands sealed configs.

use app_core::{args, clap};

/// The flag that demands sealed configs.
///
/// Every application that links this crate has it, also without a [`Sealer`](super::Sealer). Otherwise an application would accept
/// plain configs although its operator set `OP_REQUIRE_SEALED`.
#[derive(Debug, Clone, Default, clap::Args)]
#[non_exhaustive]
pub struct SealingFlags {
    /// Refuse configs that are not sealed.
    #[arg(long, env = "OP_REQUIRE_SEALED", value_parser = args::boolean)]
    pub require_sealed: bool,
}

app_core::flag_group! { SealingFlags }
