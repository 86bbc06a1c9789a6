//! app-health.
