//! The file descriptors that an endpoint may use.
//!
//! Every connection and every handshake has a descriptor. Clients must not use all of them, because new operators and files need
//! some. So all endpoints together use half of the limit for connections, and an eighth for handshakes. Each endpoint has an equal
//! part. The HTTP server has another eighth.

use app_core::prelude::{Logger, warn};

use crate::RpcServerConfig;

/// The most handshakes at a time.
pub(super) const HANDSHAKES: usize = 512;

/// Handshakes at a time with very few descriptors.
const MIN_HANDSHAKES: usize = 4;

/// The descriptors that an endpoint may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// The limit of the process.
    limit: usize,
    connections: usize,
    /// For handshakes in progress.
    pub(super) handshakes: usize,
}

impl Descriptors {
    /// The part of one endpoint, with this many endpoints in a process with this limit.
    pub(crate) fn part(limit: usize, endpoints: usize) -> Self {
        let endpoints = endpoints.max(1);
        Self {
            limit,
            connections: (limit / 2 / endpoints).max(1),
            handshakes: (limit / 8 / endpoints).clamp(MIN_HANDSHAKES, HANDSHAKES),
        }
    }

    /// Lowers `maxConns` to the number of descriptors, with a warning.
    pub(super) fn fit(self, config: &mut RpcServerConfig, log: &Logger) {
        let Self { limit, connections, .. } = self;
        let asked = config.max_connections;
        if asked > connections {
            config.max_connections = connections;
            warn!(log, "RPC endpoint: at most {connections} connections may be open where maxConns is {asked}, since the limit \
                RLIMIT_NOFILE (ulimit -n) is {limit}; raise the limit (LimitNOFILE= in a systemd unit), or lower maxConns";
                "max_conns" => connections);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_endpoints_together_leave_a_part_of_the_descriptors() {
        for limit in [64, 160, 1024, 4096, 1 << 20] {
            for endpoints in 1..=4 {
                let part = Descriptors::part(limit, endpoints);
                let taken = (part.connections + part.handshakes) * endpoints;
                assert!(taken + limit / 8 < limit, "{limit}, {endpoints}: {part:?}");
            }
        }
    }

    #[test]
    fn the_defaults_of_two_endpoints_fit_into_4096_descriptors() {
        let part = Descriptors::part(4096, 2);
        assert_eq!((part.connections, part.handshakes), (1024, 256));
        assert_eq!(Descriptors::part(8192, 2).handshakes, HANDSHAKES);
    }
}
