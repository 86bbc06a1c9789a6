//! What an operator may ask of every application: the operations of the application itself.
//!
//! This module stands above all others, so an operation here may use all of them.

mod jobs;
