//! An error of another crate that is not explained.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

pub async fn start() -> Result<(), Error> {
    let _id = SEVEN;
    std::fs::read("/proc/version")?;
    Ok(())
}

//~ error: `?` couldn't convert the error
//~ under: ?
