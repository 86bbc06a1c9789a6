//! The metrics of a client's calls: each attempt that reaches a connection, by method.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_metrics::Metrics;
use capnp::message::{Reader, ReaderOptions};
use capnp_rpc::rpc_capnp::message;
use tokio::time::Instant;

use crate::RpcName;
use crate::connection::{CallOutcome, CallWatch, MethodKey, RefusedCall, outcome_of};
use crate::framing::Segments;
use crate::measured::{CallMeters, CalledMethods, MethodMeters};

/// The metrics of a client's calls, unless the application has no metrics.
#[derive(Clone, Default)]
pub(crate) struct ClientCalls(Option<Arc<CallMeters>>);

impl ClientCalls {
    /// Registers the metrics of a client of `service` that calls `server`.
    pub(super) fn register(service: &Service, server: RpcName) -> Self {
        let metrics = App::of(service).get::<Metrics>().ok();
        Self(metrics.and_then(|metrics| {
            CallMeters::of_client(&metrics, service.name(), server.to_string()).ok().map(Arc::new)
        }))
    }

    /// The watch of a connection for calls.
    pub(super) fn watch(&self) -> Option<Rc<dyn CallWatch>> {
        let meters = Arc::clone(self.0.as_ref()?);
        Some(Rc::new(WatchedCalls(CalledMethods::new(meters))))
    }

    /// Measures a request that is sent now.
    pub(super) fn begin(&self, method: MethodKey) -> Option<MeasuredRequest> {
        let (meters, _) = self.0.as_ref()?.of(method);
        meters.begin();
        Some(MeasuredRequest { meters, began: Instant::now(), outcome: CallOutcome::Cancelled })
    }

    /// Counts a call that no instance took.
    pub(super) fn unsent(&self) {
        if let Some(meters) = &self.0 {
            meters.unsent();
        }
    }
}

/// Watches the calls of one connection.
struct WatchedCalls(CalledMethods);

impl CallWatch for WatchedCalls {
    fn begin(&self, method: MethodKey) -> usize {
        let number = self.0.number(method);
        self.0.with(number, MethodMeters::begin);
        number
    }

    fn end(&self, method: usize, outcome: CallOutcome, time: Duration) {
        self.0.with(method, |meters| meters.end(outcome, time));
    }

    /// A client refuses all calls of servers, and they are not its own.
    fn refuse(&self, _: MethodKey, _: RefusedCall) {}
}

/// A request, until this is dropped. Without an outcome the caller let go of it.
pub(super) struct MeasuredRequest {
    meters: Arc<MethodMeters>,
    began: Instant,
    outcome: CallOutcome,
}

impl MeasuredRequest {
    pub(super) fn ended(mut self, outcome: CallOutcome) {
        self.outcome = outcome;
    }

    /// The request has this answer. Returns the answer.
    pub(super) fn answered(self, answer: Segments, options: ReaderOptions) -> Segments {
        let answer = Reader::new(answer, options);
        let outcome = match answer.get_root::<message::Reader<'_>>().map(|message| message.which()) {
            Ok(Ok(message::Return(Ok(answer)))) => outcome_of(answer).unwrap_or(CallOutcome::Failed),
            _ => CallOutcome::Failed,
        };
        self.ended(outcome);
        answer.into_segments()
    }
}

impl Drop for MeasuredRequest {
    fn drop(&mut self) {
        self.meters.end(self.outcome, self.began.elapsed());
    }
}
