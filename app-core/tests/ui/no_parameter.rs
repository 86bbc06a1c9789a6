//! A parameter that cannot be one.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

app_core::service! { id: SEVEN, name: "seven", start: start }

async fn start(_service: Service, _port: u16) -> Result<(), Error> {
    Ok(())
}

//~ error: `u16` cannot be a parameter of a start function
//~ under: app_core::service! { id: SEVEN, name: "seven", start: start }
//~ label: the start function has a parameter of type `u16`
//~ note: parameters are `Service`, `App`, `Logger`, `Dep<T>`
