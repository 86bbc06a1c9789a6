//! When the certificates and revocation lists in use expire: a gauge, warnings in the log, and the list that `appctl status` shows.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use app_core::prelude::*;
use app_metrics::{GaugeVector, MAX_LABEL_VALUE_BYTES, MetricDoc, Metrics};
use parking_lot::Mutex;

use crate::{APP_RPC_SERVICE_ID, Authorities, CERTIFICATE_END, Certificate, KeyPair, clock};

/// Warnings begin this long before the end.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// A warning is repeated this often.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often the watch looks whether a warning is due.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// The most certificates and lists of one service that are shown: those that expire first.
const MAX_SHOWN: usize = 64;

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

/// A certificate or a revocation list in use, and when it expires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Expiry {
    /// When it expires.
    pub at: SystemTime,
    /// `server`, `client`, `intermediate`, `authority` or `revocation_list`.
    pub what: &'static str,
    /// The DNS names in it, or its subject.
    pub name: String,
}

impl Expiry {
    /// What a server with this key pair uses, which accepts clients of these authorities. The earliest comes first.
    #[must_use]
    pub fn of_server(pair: &KeyPair, clients: &Authorities) -> Vec<Self> {
        Self::all("server", Some(pair), clients)
    }

    /// What a client with this key pair uses, which accepts servers of these authorities. The earliest comes first.
    #[must_use]
    pub fn of_client(pair: &KeyPair, servers: &Authorities) -> Vec<Self> {
        Self::all("client", Some(pair), servers)
    }

    /// What a client uses that accepts servers of these authorities, and shows a certificate or not. The earliest comes first.
    #[must_use]
    pub fn of_collector(pair: Option<&KeyPair>, servers: &Authorities) -> Vec<Self> {
        Self::all("client", pair, servers)
    }

    fn all(what: &'static str, pair: Option<&KeyPair>, authorities: &Authorities) -> Vec<Self> {
        let named = |what, one: &Certificate| {
            let name = if one.names.is_empty() { one.subject.clone() } else { one.names.join(",") };
            Self { at: one.not_after, what, name }
        };
        let subject = |what, one: &Certificate| Self { at: one.not_after, what, name: one.subject.clone() };
        let chain = || pair.into_iter().flat_map(KeyPair::chain);
        let own = chain().take(1).map(|one| named(what, one));
        let between = chain().skip(1).map(|one| subject("intermediate", one));
        let above = authorities.certificates().map(|one| subject("authority", one));
        let lists = authorities.lists().iter().filter_map(|list| {
            Some(Self { at: list.next_update?, what: "revocation_list", name: list.issuer.clone() })
        });
        let mut all: Vec<_> = own.chain(between).chain(above).chain(lists).collect();
        all.sort_unstable();
        all.truncate(MAX_SHOWN);
        all
    }
}

/// Shows when the certificates and lists of one service expire, and warns before they do.
pub struct ExpiryWatch {
    service: String,
    gauges: Option<GaugeVector>,
    log: Logger,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_use: Vec<Expiry>,
    /// The last warning of each.
    warned: BTreeMap<Expiry, SystemTime>,
}

impl ExpiryWatch {
    /// A watch for this service. Without the metrics service it only warns.
    #[must_use]
    pub fn new(service: &Service) -> Self {
        let metrics = App::of(service).get::<Metrics>().ok();
        let gauges = metrics.and_then(|metrics| metrics.gauge_vector(END.gauge_vector_spec()).ok());
        Self {
            service: service.name().to_owned(),
            gauges,
            log: service.log().clone(),
            state: Mutex::default(),
        }
    }

    /// Replaces what is shown, and warns at once of what expires soon.
    pub fn show(&self, in_use: Vec<Expiry>) {
        {
            let mut state = self.state.lock();
            for old in &state.in_use {
                self.remove(old);
            }
            // The earliest is set last: of several with the same labels, the first to expire is shown.
            for one in in_use.iter().rev() {
                self.set(one);
            }
            state.warned.retain(|one, _| in_use.contains(one));
            state.in_use = in_use;
        }
        self.warn();
    }

    /// Warns once a day of what expires soon. Never returns.
    pub async fn run(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.warn();
        }
    }

    /// Removes everything that is shown.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        for old in std::mem::take(&mut state.in_use) {
            self.remove(&old);
        }
    }

    fn set(&self, one: &Expiry) {
        let seconds = one.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let series = self.gauges.as_ref().and_then(|gauges| gauges.with(self.labels(one)).ok());
        if let Some(gauge) = series {
            gauge.set(seconds);
        }
    }

    fn remove(&self, one: &Expiry) {
        if let Some(gauges) = &self.gauges {
            // The only error is a wrong number of labels.
            let _ = gauges.remove(self.labels(one));
        }
    }

    fn labels<'a>(&'a self, one: &'a Expiry) -> [&'a str; 3] {
        let mut end = one.name.len().min(MAX_LABEL_VALUE_BYTES);
        while !one.name.is_char_boundary(end) {
            end -= 1;
        }
        [&self.service, one.what, &one.name[..end]]
    }

    fn warn(&self) {
        let now = SystemTime::now();
        let due: Vec<_> = {
            let mut state = self.state.lock();
            let due = due(&state, now);
            state.warned.extend(due.iter().cloned().map(|one| (one, now)));
            due
        };
        for Expiry { at, what, name } in due {
            let (at, what) = (humantime::format_rfc3339_seconds(at), what.replace('_', " "));
            warn!(self.log, "a certificate or revocation list that is in use ends soon, or has ended; replace it";
                "what" => what, "name" => name, "ends" => %at);
        }
    }
}

/// What a warning is due for: it expires within 14 days, and there was no warning for a day. After the clock was set back, a
/// warning is due again.
fn due(state: &State, now: SystemTime) -> Vec<Expiry> {
    let soon = |one: &&Expiry| !clock::is_wrong(now) && one.at < now + SOON;
    let warned = |one: &Expiry| {
        let at = state.warned.get(one);
        at.and_then(|at| now.duration_since(*at).ok()).is_some_and(|since| since < WARN_EVERY)
    };
    state.in_use.iter().filter(soon).filter(|one| !warned(one)).cloned().collect()
}

/// A certificate or a revocation list in use by a service of the application, as the gauge shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceExpiry {
    /// When it expires.
    pub at: SystemTime,
    /// The name of the service that uses it.
    pub service: String,
    /// As [`Expiry::what`].
    pub what: String,
    /// The DNS names in it, or its subject.
    pub name: String,
}

/// What all services of an application use. The earliest comes first.
#[must_use]
pub fn expiries_of(app: &App) -> Vec<ServiceExpiry> {
    let gauges = app.get::<Metrics>().and_then(|metrics| metrics.gauge_vector(END.gauge_vector_spec()));
    let series = gauges.map(|gauges| gauges.values()).unwrap_or_default();
    let expiries = series.into_iter().filter_map(|(labels, seconds)| {
        let [service, what, name] = labels.try_into().ok()?;
        let at = UNIX_EPOCH + Duration::try_from_secs_f64(seconds).ok()?;
        Some(ServiceExpiry { at, service, what, name })
    });
    let mut expiries: Vec<_> = expiries.collect();
    expiries.sort_by_key(|one| one.at);
    expiries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_within_two_weeks_is_warned_of_once_a_day() {
        let day = Duration::from_secs(24 * 3600);
        let now = SystemTime::now();
        let ends =
            |days: u32, name: &str| Expiry { at: now + day * days, what: "server", name: name.to_owned() };
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
