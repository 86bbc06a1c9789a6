//! The link list, which is the deployment manifest, and one flag of this program.

use std::process::ExitCode;

use app_core::clap;
use {
    app_config as _, app_health as _, app_messaging as _, app_metrics as _, app_rpc as _, app_sealing as _,
    app_tracing as _, svc_example as _,
};

#[cfg(feature = "dev")]
mod dev;
#[cfg(any(test, not(feature = "dev")))]
mod no_dev;

/// Rate limits per key.
#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    app: app_core::Flags,

    /// Try the service: makes throwaway keys, certificates and sealed configs, listens on loopback only, and prints commands to
    /// try. The files are in `target` of the current folder, or in a temporary folder. Metrics use PORT (default: 4444). The
    /// admin interface and the quota service use the next two ports. A free port replaces 0 and any port in use.
    #[arg(
        long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "4444",
        value_parser = app_core::args::number(0_u16..=65_533),
        conflicts_with_all = ["config_dir", "config_identity", "check"],
    )]
    dev: Option<u16>,

    /// With the flag above, sends messages through this NATS server, such as nats://127.0.0.1:4222. It needs JetStream. Instances
    /// with one server and one domain id share streams, consumers and the budget of the rule "shared". Without it, messages stay
    /// inside.
    #[arg(long, value_name = "URL", requires = "dev")]
    nats: Option<String>,
}

fn main() -> ExitCode {
    let builder = app_core::AppBuilder::new().package(app_core::package!());
    match builder.parse::<Cli>() {
        #[cfg(feature = "dev")]
        Ok(Cli { app, dev: Some(port), nats }) => dev::run(builder, app, port, nats.as_deref()),
        #[cfg(not(feature = "dev"))]
        Ok(Cli { dev: Some(_), .. }) => no_dev::refuse(&mut std::io::stderr()),
        Ok(Cli { app, dev: None, .. }) => builder.flags(app).run(),
        Err(exit) => exit,
    }
}
