//! An option that the macro does not have.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

app_core::service! { id: SEVEN, name: "seven", start: start, timeout: Duration::from_secs(1) }

async fn start() -> Result<(), Error> {
    Ok(())
}

//~ error: service!: the option `timeout` is unknown; the options are `id`, `name`, `start`, `restart`, `start_timeout`, `stop_timeout` and `infrastructure`
