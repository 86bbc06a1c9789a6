//! app-errors.
