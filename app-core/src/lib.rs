//! app-core.
