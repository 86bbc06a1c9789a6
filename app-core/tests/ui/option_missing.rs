//! An option without which there is no service.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

app_core::service! { start: start, id: SEVEN }

async fn start() -> Result<(), Error> {
    Ok(())
}

//~ error: service!: the option `name` is missing; add `name: ".."`
