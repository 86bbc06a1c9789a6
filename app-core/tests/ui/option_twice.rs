//! An option of the macro that is given twice.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

app_core::service! { id: SEVEN, name: "seven", name: "eight", start: start }

async fn start() -> Result<(), Error> {
    Ok(())
}

//~ error: service!: the option `name` is given twice
