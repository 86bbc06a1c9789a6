//! app-config.
