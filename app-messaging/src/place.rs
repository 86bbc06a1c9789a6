//! Where messages go.

use app_ids::DomainId;

use crate::config::MessagingConfig;

/// Where messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside of the process, streams too: nothing can be lost by it.
    Inside,
    /// To the servers of the config.
    Servers,
    /// Events and requests stay inside; nothing is stored, since it would be lost.
    NoServer,
}

impl Place {
    /// The place for this config. `is_test` says that the application is one of a test.
    pub(crate) fn of(config: &MessagingConfig, domain: DomainId, is_test: bool) -> Self {
        if !config.servers.is_empty() {
            Self::Servers
        } else if config.in_process || is_test || domain.is_zero() {
            Self::Inside
        } else {
            Self::NoServer
        }
    }
}

/// What is wrong without a server, and the cure.
pub(crate) const NO_SERVER: &str = "no NATS server is configured, so nothing is stored and durable consumers get nothing; write a config for \
    service messaging (0xe5fd6a364d10d023) that names servers, or sets inProcess to keep messages in memory";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerAddress;

    #[test]
    fn messages_stay_inside_only_where_nothing_can_be_lost_by_it() {
        let absent = MessagingConfig::without_config();
        let server = ServerAddress { host: "localhost".to_owned(), port: 4222, tls: false };
        let servers = MessagingConfig { servers: vec![server], ..MessagingConfig::without_config() };
        let inside = MessagingConfig { in_process: true, ..MessagingConfig::without_config() };
        for (config, domain, is_test, place) in [
            (&absent, 0, false, Place::Inside),
            (&absent, 0xd0, true, Place::Inside),
            (&absent, 0xd0, false, Place::NoServer),
            (&inside, 0xd0, false, Place::Inside),
            (&servers, 0xd0, false, Place::Servers),
            (&servers, 0, false, Place::Servers),
            (&servers, 0xd0, true, Place::Servers),
        ] {
            assert_eq!(Place::of(config, domain.into(), is_test), place, "{domain} {is_test}");
        }
    }
}
