//! An application of one service: it says hello each second, and counts the hellos.

use app_core::prelude::*;
use app_metrics::{CounterSpec, Metrics};
use {app_config as _, app_health as _};

app_core::service! { id: MY_APP, name: "my-app", start: start }

ids! {
    /// Says hello.
    pub MY_APP: ServiceId = 0x9d00_0000_0000_0005, "my-app";
    /// Hellos said.
    pub HELLOS: MetricId = 0x9d00_0000_0000_0008, "my_app_hellos";
}

async fn start(service: Service, metrics: Dep<Metrics>) -> Result<(), Error> {
    let hellos = metrics.counter(CounterSpec::new(MY_APP, HELLOS, "Hellos said."))?;
    service.every(Duration::from_secs(1), move |log| {
        info!(log, "hello");
        hellos.inc();
    });
    Ok(())
}

fn main() -> std::process::ExitCode {
    app_core::AppBuilder::new()
        .package(app_core::package!())
        .run()
}
