//! An app with a hundred services and an admin interface, for measurements: see `app-dashboard/load`.

use app_core::prelude::*;

app_core::main! { link: [app_config, app_health, app_metrics, app_rpc, app_sealing] }

ids! {
    /// Makes the others.
    pub MAKER: ServiceId = 0xd6b1_07a5_92c3_4e18, "maker";
}

/// With the services of the platform and the maker there are a hundred or a few more.
const SERVICES: u64 = 95;

app_core::service! { id: MAKER, name: "maker", start: start }

// A start function is async, whether it waits for something or not.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(service: Service) -> Result<(), Error> {
    let app = App::of(&service);
    for number in 0..SERVICES {
        let id = ServiceId::new(MAKER.as_u64() + 1 + number);
        let made = Service::new(&app, id, format!("made-{number}"))?;
        app.register(&made)?;
        let waiting = made.clone();
        made.spawn("waits", async move { waiting.dying().await })?;
    }
    Ok(())
}
