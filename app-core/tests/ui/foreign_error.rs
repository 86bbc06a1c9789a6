//! A start function that returns the error of another crate.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

app_core::service! { id: SEVEN, name: "seven", start: start }

async fn start() -> Result<(), std::io::Error> {
    Ok(())
}

//~ error: a start function cannot return `Result<(), std::io::Error>`
//~ under: app_core::service! { id: SEVEN, name: "seven", start: start }
//~ label: expected a start function that returns `Result<H, app_core::prelude::Error>`
//~ note: `?` turns another error into `Error` after `.context("what was tried")`
