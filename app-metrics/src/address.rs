//! Where the HTTP server listens: as the config says, or as the flag does.

use std::net::SocketAddr;

use app_core::listeners::{ListenPlace, SetBy};
use app_core::prelude::*;
use app_core::{args, clap};

use crate::{METRICS_SERVICE_ID, MetricsConfig};

/// The flags of the HTTP server for metrics and probes. Every application that links this crate has them.
#[derive(Debug, Clone, Default, clap::Args)]
#[non_exhaustive]
pub struct MetricsFlags {
    /// Where metrics and probes are served, instead of what the config says; port 0 is any free port
    #[arg(long, env = "OP_METRICS_ADDRESS", value_name = "IP:PORT", value_parser = args::trimmed::<SocketAddr>)]
    pub metrics_address: Option<SocketAddr>,
}

app_core::flag_group! { MetricsFlags }

impl MetricsConfig {
    /// Where the HTTP server of this app listens. The flag `--metrics-address` goes before the config. In tests, and with `--dev`,
    /// the port may be any.
    #[must_use]
    pub fn listen_place(&self, app: &App) -> ListenPlace {
        let flags = app.flags();
        let given = flags.group::<MetricsFlags>().ok().and_then(|group| group.metrics_address);
        let source = flags.group_source::<MetricsFlags>("metrics_address");
        let in_config = SetBy::Config { service: METRICS_SERVICE_ID, port: "httpPort" };
        let (address, port, set_by) = match given {
            Some(given) => {
                let all = given.ip().is_unspecified() && given.is_ipv6();
                ((!all).then(|| given.ip()), given.port(), source.map_or(in_config, SetBy::Flag))
            }
            None => (self.bind_address, self.http_port, in_config),
        };
        ListenPlace { address, port: if app.any_port() { 0 } else { port }, set_by }
    }
}
