//! A start function that is not async.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

app_core::service! { id: SEVEN, name: "seven", start: start }

fn start(_service: Service) -> Result<(), Error> {
    Ok(())
}

//~ error: is not a future
//~ under: app_core::service! { id: SEVEN, name: "seven", start: start }
//~ label: is not a future
