//! The metrics of calls by method, on both sides.
//!
//! A peer chooses the method ids that it calls. So only the first [`MAX_METHODS`] methods of a server or a client have series of their
//! own. The others share the series of the method [`OTHER`].

mod docs;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::{Error, ServiceId};
use app_metrics::{
    Counter, CounterVector, Gauge, GaugeVector, Histogram, HistogramVector, MetricDoc, Metrics,
};
use parking_lot::RwLock;

pub(crate) use self::docs::{CLIENT, SERVER};
pub use self::docs::{
    RPC_CALL_SECONDS, RPC_CALLS, RPC_CALLS_IN_FLIGHT, RPC_CLIENT_CALL_SECONDS, RPC_CLIENT_CALLS,
    RPC_CLIENT_CALLS_IN_FLIGHT,
};
use crate::connection::{CallOutcome, MethodKey};
use crate::methods::method_name;

/// The most methods with series of their own, for each server and each client.
const MAX_METHODS: usize = 128;

/// The method of all others.
pub(crate) const OTHER: &str = "other";

/// The documents of the metrics of one side.
pub(crate) struct Side {
    pub(crate) calls: MetricDoc,
    pub(crate) seconds: MetricDoc,
    pub(crate) in_flight: MetricDoc,
}

/// The metrics of one method.
pub(crate) struct MethodMeters {
    pub(crate) name: String,
    outcomes: [Counter; 5],
    seconds: Histogram,
    in_flight: Gauge,
}

/// Whose calls are measured: the first labels of a client's series. A server has none.
type Whose = Option<[String; 2]>;

/// The metrics of the calls of a server or a client.
pub(crate) struct CallMeters {
    vectors: Vectors,
    methods: RwLock<HashMap<MethodKey, Arc<MethodMeters>>>,
    other: Arc<MethodMeters>,
}

struct Vectors {
    calls: CounterVector,
    seconds: HistogramVector,
    in_flight: GaugeVector,
    whose: Whose,
}

impl CallMeters {
    /// Registers the metrics of the endpoint of `service`.
    pub(crate) fn of_server(metrics: &Metrics, service: ServiceId) -> Result<Self, Error> {
        Self::register(metrics, &SERVER.of_service(service), None)
    }

    /// Registers the metrics of a client of a service, for a server.
    pub(crate) fn of_client(metrics: &Metrics, service: &str, server: String) -> Result<Self, Error> {
        Self::register(metrics, &CLIENT, Some([service.to_owned(), server]))
    }

    fn register(metrics: &Metrics, side: &Side, whose: Whose) -> Result<Self, Error> {
        let calls = metrics.counter_vector(side.calls.counter_vector_spec())?;
        let seconds = metrics.histogram_vector(side.seconds.histogram_vector_spec())?;
        let in_flight = metrics.gauge_vector(side.in_flight.gauge_vector_spec())?;
        let vectors = Vectors { calls, seconds, in_flight, whose };
        let other = Arc::new(vectors.of(OTHER.to_owned())?);
        Ok(Self { vectors, methods: RwLock::default(), other })
    }

    /// The metrics of a method, and whether they are its own.
    pub(crate) fn of(&self, method: MethodKey) -> (Arc<MethodMeters>, bool) {
        if let Some(known) = self.methods.read().get(&method) {
            return (Arc::clone(known), true);
        }
        let mut methods = self.methods.write();
        if let Some(known) = methods.get(&method) {
            return (Arc::clone(known), true);
        }
        if methods.len() >= MAX_METHODS {
            return (Arc::clone(&self.other), false);
        }
        match self.vectors.of(method_name(method.0, method.1)) {
            Ok(new) => {
                let new = Arc::new(new);
                methods.insert(method, Arc::clone(&new));
                (new, true)
            }
            Err(_) => (Arc::clone(&self.other), false),
        }
    }

    /// Counts a call that reached no connection, so that its method is not known.
    pub(crate) fn unsent(&self) {
        self.other.outcomes[CallOutcome::Refused as usize].inc();
    }
}

impl Vectors {
    /// The series of a method.
    fn of(&self, name: String) -> Result<MethodMeters, Error> {
        let outcome = |outcome| match &self.whose {
            None => self.calls.with([name.as_str(), outcome]),
            Some([service, server]) => self.calls.with([service, server, name.as_str(), outcome]),
        };
        // In the order of the numbers of the outcomes.
        let outcomes = [
            outcome("ok")?,
            outcome("failed")?,
            outcome("refused")?,
            outcome("cancelled")?,
            outcome("lost")?,
        ];
        let (seconds, in_flight) = match &self.whose {
            None => (self.seconds.with([&name])?, self.in_flight.with([&name])?),
            Some([service, server]) => {
                let labels = [service, server, name.as_str()];
                (self.seconds.with(labels)?, self.in_flight.with(labels)?)
            }
        };
        Ok(MethodMeters { name, outcomes, seconds, in_flight })
    }
}

impl MethodMeters {
    pub(crate) fn begin(&self) {
        self.in_flight.inc();
    }

    pub(crate) fn end(&self, outcome: CallOutcome, time: Duration) {
        self.in_flight.dec();
        self.outcomes[outcome as usize].inc();
        self.seconds.observe(time.as_secs_f64());
    }

    pub(crate) fn refused(&self) {
        self.outcomes[CallOutcome::Refused as usize].inc();
    }
}

/// The methods that a connection has called, by the numbers that it knows them by.
pub(crate) struct CalledMethods {
    meters: Arc<CallMeters>,
    /// The first is for all methods without metrics of their own.
    known: RefCell<Vec<(Option<MethodKey>, Arc<MethodMeters>)>>,
}

impl CalledMethods {
    pub(crate) fn new(meters: Arc<CallMeters>) -> Self {
        let other = Arc::clone(&meters.other);
        Self { meters, known: RefCell::new(vec![(None, other)]) }
    }

    /// The number of a method.
    pub(crate) fn number(&self, method: MethodKey) -> usize {
        let mut known = self.known.borrow_mut();
        if let Some(number) = known.iter().position(|(one, _)| *one == Some(method)) {
            return number;
        }
        let (meters, own) = self.meters.of(method);
        if !own {
            return 0;
        }
        known.push((Some(method), meters));
        known.len() - 1
    }

    /// Uses the metrics of the method with this number.
    pub(crate) fn with<T>(&self, number: usize, run: impl FnOnce(&MethodMeters) -> T) -> T {
        run(&self.known.borrow()[number].1)
    }
}

#[cfg(test)]
mod tests;
