//! svc-example.
