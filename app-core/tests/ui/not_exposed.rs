//! A dependency on a type that is no handle.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

app_core::service! { id: SEVEN, name: "seven", start: start }

struct Db;

async fn start(_db: Dep<Db>) -> Result<(), Error> {
    Ok(())
}

//~ error: `Db` is not the handle of a service
//~ under: app_core::service! { id: SEVEN, name: "seven", start: start }
//~ label: `Db` does not implement `Exposed`
//~ note: say which service returns it: `impl Exposed for Db { const SERVICE: ServiceId = ..; }`
