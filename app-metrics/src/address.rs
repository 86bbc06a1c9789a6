//! Where the HTTP server listens: as the config says, or as the flag does.

use std::net::SocketAddr;

use app_core::listeners::{ListenPlace, SetBy};
use app_core::prelude::*;
use app_core::{args, clap, flags::FlagSource};

/// The flags of the HTTP server for metrics and probes. Every application that links this crate has them.
#[derive(Debug, Clone, Default, clap::Args)]
#[non_exhaustive]
pub struct MetricsFlags {
    /// Where metrics and probes are served, instead of what the config says; port 0 is any free port
    #[arg(long, env = "OP_METRICS_ADDRESS", value_name = "IP:PORT", value_parser = args::address)]
    pub metrics_address: Option<SocketAddr>,
}

app_core::flag_group! { MetricsFlags }

/// Where the HTTP server of this app listens: `configured`, unless a flag says otherwise. In tests, and with `--dev`, the port may be
/// any.
pub(crate) fn listen_place(app: &App, configured: ListenPlace) -> ListenPlace {
    let flags = app.flags();
    let given = flags.group::<MetricsFlags>().ok().and_then(|group| group.metrics_address);
    let mut place = configured;
    if let Some(given) = given {
        // As in a config, every address means IPv4 too.
        let is_every = given.is_ipv6() && given.ip().is_unspecified();
        (place.address, place.port) = ((!is_every).then(|| given.ip()), given.port());
    }
    if let Some(FlagSource::Flag(name) | FlagSource::Variable(name)) =
        flags.group_source::<MetricsFlags>("metrics_address")
    {
        place.set_by = SetBy::Flag(name);
    }
    if app.any_port() {
        place.port = 0;
    }
    place
}
