//! A start function whose future cannot move between threads.

use app_core::prelude::*;

const SEVEN: ServiceId = ServiceId::new(7);

use std::rc::Rc;

app_core::service! { id: SEVEN, name: "seven", start: start }

async fn start(service: Service) -> Result<(), Error> {
    let counter = Rc::new(1);
    service.dying().await;
    drop(counter);
    Ok(())
}

//~ error: future cannot be sent between threads safely
//~ under: app_core::service! { id: SEVEN, name: "seven", start: start }
//~ label: future returned by `start` is not `Send`
//~ note: future is not `Send` as this value is used across an await
