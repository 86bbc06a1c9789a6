//! What the fuzz targets share: types of configs, a limit on memory, and mutations that get past checksums and seals.
//!
//! Why mutations of our own: a config file is compressed, with a checksum, and a sealed one authenticated. Bytes changed at
//! random stop at the first check. So what is inside is taken out, changed, and put back as its writer would.

pub mod file;
pub mod keys;
pub mod memory;
pub mod seal;
pub mod types;
