//! When the certificates and revocation lists end that are in use: a gauge, warnings in the log, and what `appctl status` shows.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use app_core::prelude::*;
use app_metrics::{GaugeVector, MAX_LABEL_VALUE_BYTES, MetricDoc, Metrics};
use parking_lot::Mutex;

use crate::ids::{APP_RPC_SERVICE_ID, CERTIFICATE_END};
use crate::tls::{Authorities, Certificate, KeyPair, clock};
use crate::{RpcClientConfig, RpcServerConfig};

/// So long before its end a certificate is warned of.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// How often it is warned of again.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often it is looked whether something has to be warned of.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Certificates and lists of one service that are shown: those that end first.
const MOST: usize = 64;

const END: MetricDoc = MetricDoc::gauge_vector(
    APP_RPC_SERVICE_ID,
    CERTIFICATE_END,
    "When a certificate or revocation list in use expires, in seconds since 1970.",
    &[
        ("service", "the service that uses it"),
        ("what", "`server`, `client`, `intermediate`, `authority`, `revocation_list`"),
        ("name", "the DNS names in it, or its subject"),
    ],
)
.unit("seconds since 1970")
.meaning(
    "Each service shows up to 64, those that expire first. With a stale revocation list every client of its authority is refused (`appctl pki crl`). With an expired certificate of the server every connection fails (`appctl pki renew`). The log warns once a day, from 14 days before.",
)
.queries(&[("Days until the first one expires", "min by (job, service, what, name) (METRIC - time()) / 86400")]);

app_metrics::document! { END }

/// A certificate or a list that is in use, and when it ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InUse {
    pub(crate) at: SystemTime,
    pub(crate) what: &'static str,
    pub(crate) name: String,
}

/// What a server uses.
pub(crate) fn of_server(config: &RpcServerConfig) -> Vec<InUse> {
    all("server", &config.key_pair, &config.clients)
}

/// What a client uses.
pub(crate) fn of_client(config: &RpcClientConfig) -> Vec<InUse> {
    all("client", &config.key_pair, &config.servers)
}

fn all(what: &'static str, pair: &KeyPair, authorities: &Authorities) -> Vec<InUse> {
    let named = |what, one: &Certificate| {
        let name = if one.names.is_empty() { one.subject.clone() } else { one.names.join(",") };
        InUse { at: one.not_after, what, name }
    };
    let subject = |what, one: &Certificate| InUse { at: one.not_after, what, name: one.subject.clone() };
    let own = pair.chain().take(1).map(|one| named(what, one));
    let between = pair.chain().skip(1).map(|one| subject("intermediate", one));
    let above = authorities.certificates().map(|one| subject("authority", one));
    let lists = authorities.lists().iter().filter_map(|list| {
        Some(InUse { at: list.next_update?, what: "revocation_list", name: list.issuer.clone() })
    });
    let mut all: Vec<_> = own.chain(between).chain(above).chain(lists).collect();
    all.sort_unstable();
    all.truncate(MOST);
    all
}

/// Shows what one service uses, and warns of what ends soon.
pub(crate) struct Watch {
    service: String,
    gauges: Option<GaugeVector>,
    log: Logger,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_use: Vec<InUse>,
    /// When each was warned of.
    warned: BTreeMap<InUse, SystemTime>,
}

impl Watch {
    /// Of a service. Without metrics it warns alone.
    pub(crate) fn new(service: &Service) -> Self {
        let metrics = service.app().get::<Metrics>().ok();
        let gauges = metrics.and_then(|metrics| metrics.gauge_vector(END.gauge_vector_spec()).ok());
        Self {
            service: service.name().to_owned(),
            gauges,
            log: service.log().clone(),
            state: Mutex::default(),
        }
    }

    /// Shows what is used from now on, and warns at once of what ends soon.
    pub(crate) fn show(&self, in_use: Vec<InUse>) {
        {
            let mut state = self.state.lock();
            for gone in &state.in_use {
                self.remove(gone);
            }
            // Of several that are called the same, the first to end is shown.
            for one in in_use.iter().rev() {
                self.set(one);
            }
            state.warned.retain(|one, _| in_use.contains(one));
            state.in_use = in_use;
        }
        self.warn();
    }

    /// Warns of what ends soon, once a day, until it is dropped.
    pub(crate) async fn keep(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.warn();
        }
    }

    /// Shows nothing any more.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        for gone in std::mem::take(&mut state.in_use) {
            self.remove(&gone);
        }
    }

    fn set(&self, one: &InUse) {
        let seconds = one.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let series = self.gauges.as_ref().and_then(|gauges| gauges.with(self.labels(one)).ok());
        if let Some(gauge) = series {
            gauge.set(seconds);
        }
    }

    fn remove(&self, one: &InUse) {
        if let Some(gauges) = &self.gauges {
            // It fails for another number of labels alone.
            let _ = gauges.remove(self.labels(one));
        }
    }

    fn labels<'a>(&'a self, one: &'a InUse) -> [&'a str; 3] {
        let mut end = one.name.len().min(MAX_LABEL_VALUE_BYTES);
        while !one.name.is_char_boundary(end) {
            end -= 1;
        }
        [&self.service, one.what, &one.name[..end]]
    }

    fn warn(&self) {
        let now = clock::now();
        let due: Vec<_> = {
            let mut state = self.state.lock();
            let due = due(&state, now);
            state.warned.extend(due.iter().cloned().map(|one| (one, now)));
            due
        };
        for InUse { at, what, name } in due {
            let (at, what) = (humantime::format_rfc3339_seconds(at), what.replace('_', " "));
            warn!(self.log, "a certificate or revocation list that is in use ends soon, or has ended; replace it";
                "what" => what, "name" => name, "ends" => %at);
        }
    }
}

/// What has to be warned of: it ends within 14 days, and was not warned of for a day. A clock that was set back warns again.
fn due(state: &State, now: SystemTime) -> Vec<InUse> {
    let soon = |one: &&InUse| !clock::is_wrong(now) && one.at < now + SOON;
    let warned = |one: &InUse| {
        let at = state.warned.get(one);
        at.and_then(|at| now.duration_since(*at).ok()).is_some_and(|since| since < WARN_EVERY)
    };
    state.in_use.iter().filter(soon).filter(|one| !warned(one)).cloned().collect()
}

/// The end of something that a service of the application uses, as the gauge shows it.
pub(crate) struct Shown {
    pub(crate) at: SystemTime,
    pub(crate) service: String,
    pub(crate) what: String,
    pub(crate) name: String,
}

/// All that the services of an application use, what ends first in front.
pub(crate) fn shown(app: &App) -> Vec<Shown> {
    let gauges = app.get::<Metrics>().and_then(|metrics| metrics.gauge_vector(END.gauge_vector_spec()));
    let series = gauges.map(|gauges| gauges.values()).unwrap_or_default();
    let shown = series.into_iter().filter_map(|(labels, seconds)| {
        let [service, what, name] = labels.try_into().ok()?;
        let at = UNIX_EPOCH + Duration::try_from_secs_f64(seconds).ok()?;
        Some(Shown { at, service, what, name })
    });
    let mut shown: Vec<_> = shown.collect();
    shown.sort_by_key(|one| one.at);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_within_two_weeks_is_warned_of_once_a_day() {
        let day = Duration::from_secs(24 * 3600);
        let now = SystemTime::now();
        let ends =
            |days: u32, name: &str| InUse { at: now + day * days, what: "server", name: name.to_owned() };
        let (near, far) = (ends(13, "near"), ends(15, "far"));
        let mut state = State { in_use: vec![near.clone(), far.clone()], warned: BTreeMap::new() };
        assert_eq!(due(&state, now), std::slice::from_ref(&near));
        state.warned.insert(near.clone(), now);
        assert!(due(&state, now + day / 2).is_empty());
        assert_eq!(due(&state, now + day), std::slice::from_ref(&near));
        // Two days later both end soon; a clock that was set back by a month says of neither that it does.
        assert_eq!(due(&state, now + day * 2), [near.clone(), far]);
        assert!(due(&state, now - day * 30).is_empty());
        // A clock that was set back by an hour does not keep it silent for longer than a day.
        state.warned.insert(near.clone(), now + day);
        assert_eq!(due(&state, now), [near]);
        assert!(due(&state, UNIX_EPOCH).is_empty());
    }
}
