//! A task that returns a value.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

async fn start(service: Service) -> Result<(), Error> {
    service.spawn("counts", async { 7 })
}

pub fn descriptor() -> app_core::ServiceDescriptor {
    app_core::ServiceDescriptor::of(SEVEN, "seven", start)
}

//~ error: a task cannot return `{integer}`
//~ label: the future of this task returns `{integer}`
//~ note: a task returns `()`, `Result<(), E>` with any error `E`, or never
