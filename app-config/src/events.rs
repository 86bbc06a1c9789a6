//! The log event ids of configs.

use app_ids::{LogEventId, ids};

ids! {
    /// A config could not be loaded.
    pub CONFIG_LOADING_ERR: LogEventId = 0x83e9_27cb_25aa_a032, "config_loading_err";
    /// The Cap'n Proto message of a config did not match its schema.
    pub CAPNP_ERR: LogEventId = 0x8234_07a4_ed42_7f33, "capnp_err";
}
