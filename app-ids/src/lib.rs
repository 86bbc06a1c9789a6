//! app-ids.
