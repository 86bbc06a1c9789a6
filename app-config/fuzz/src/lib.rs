//! The common part of the fuzz targets: types of configs, a limit on memory, and mutations that pass checksums and seals.
//!
//! A config file is compressed with a checksum, and a sealed one is authenticated. Random changes would stop at the first check. So
//! the mutations take the content out, change it, and put it back as its writer would.

pub mod file;
pub mod keys;
pub mod memory;
pub mod seal;
pub mod types;
