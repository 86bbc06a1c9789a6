//! The span of a client's call, whatever its attempts. What it sends and where is recorded in [`crate::spans`].

use std::fmt;

use app_core::trace;
use tracing::{Instrument, Span, field, info_span};

use super::{CallError, CallFailure};
use crate::RpcName;
use crate::spans::{SYSTEM, SpanEnd, TARGET, is_sampled, record_failure};

/// Shows the host of a server, which is asked for when it is shown.
struct Host<F>(F);

impl<F: Fn() -> RpcName> fmt::Display for Host<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&(self.0)().host())
    }
}

/// Runs the call of a client in a span.
pub(super) async fn client_call<T>(
    server: impl Fn() -> RpcName,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let span = info_span!(
        target: TARGET,
        "capnproto",
        otel.kind = "client",
        otel.name = field::Empty,
        rpc.system.name = SYSTEM,
        rpc.method = field::Empty,
        server.address = %Host(server),
        network.peer.address = field::Empty,
        network.peer.port = field::Empty,
        "error.type" = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
    );
    let ends = SpanEnd(span.clone());
    let result = call.instrument(span).await;
    ends.with(|span| {
        if let Err(failed) = &result {
            client_failed(span, failed);
        }
    });
    result
}

fn client_failed(span: &Span, failed: &CallError) {
    match failed.error() {
        _ if !is_sampled(span) => {}
        Some(error) => span.in_scope(|| trace::record_error(error)),
        None => {
            let kind = match failed.failure() {
                CallFailure::NotSent => "not_sent",
                CallFailure::MaybeExecuted => "maybe_executed",
                CallFailure::Refused => "refused",
                CallFailure::Failed => "failed",
            };
            record_failure(span, kind, failed.reason());
        }
    }
}
