//! A closure with a parameter that cannot be one.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

pub fn descriptor() -> app_core::ServiceDescriptor {
    app_core::ServiceDescriptor::of(SEVEN, "seven", |_name: String| async { Ok(()) })
}

//~ error: cannot be a start function
//~ label: expected `async fn(P1, .. Pn) -> Result<H, Error>` with at most twelve parameters
