//! The descriptor, the start and the health check of the service.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use app_config::LiveConfig;
use app_core::{Provided, prelude::*};
use app_health::{HealthCheckSpec, health_check};
use app_metrics::Metrics;
use app_tls::{Expiry, ExpiryWatch};
use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::config::TracingConfig;
use crate::filter::Filter;
use crate::handle::Tracing;
use crate::ids::{SPANS_GO, TRACING_CHECK, TRACING_SERVICE_ID};
use crate::metrics::TracingMetrics;
use crate::queue::Queue;
use crate::sampling::Sampling;
use crate::settings::Settings;
use crate::sink::QueueSink;
use crate::thread::ExportThread;
use crate::variables::Variables;

// Infrastructure: it is there before the services whose starts are traced, and until they have stopped.
app_core::service! { id: TRACING_SERVICE_ID, name: "tracing", start: start, infrastructure: true }

health_check! {
    service: TRACING_SERVICE_ID,
    spec: HealthCheckSpec::new(TRACING_CHECK)
        .name("tracing")
        .interval(Duration::from_secs(30))
        .description("Whether the collector accepts spans. Without it traces have holes, and nothing else is wrong."),
    check: collector_accepts
}

async fn collector_accepts(tracing: Arc<Tracing>, _: CancellationToken) -> Result<(), String> {
    let trouble = tracing.metrics.trouble.lock().clone();
    trouble.map_or(Ok(()), Err)
}

async fn start(
    service: Service,
    config: LiveConfig<TracingConfig>,
    metrics: Dep<Metrics>,
    variables: Option<Provided<Variables>>,
) -> Result<Tracing, Error> {
    let app = App::of(&service);
    let variables = variables.map_or_else(Variables::of_process, |variables| Variables::clone(&variables));
    let settings = Arc::new(Settings::new(&app, &config.current(), &variables));
    let metrics = TracingMetrics::register(&metrics)?;
    let sink = Arc::new(QueueSink {
        queue: Arc::new(Queue::new(settings.queue_spans)),
        filter: ArcSwap::from_pointee(Filter::default()),
        dropped: metrics.dropped.clone(),
        exports: AtomicBool::new(false),
        sampling: Sampling::new(settings.rule),
    });
    let tracing = Tracing::new(Arc::clone(&settings), sink, metrics, service.log());
    let thread = ExportThread::start(tracing.export_parts(service.log())).map_err(|error| {
        errors::SERVICE_INIT_FAILED
            .error(TRACING_SERVICE_ID)
            .cause(error)
            .message("the exporter can't start")
            .build()
    })?;
    let expiries = Arc::new(ExpiryWatch::new(&service));
    show_expiries(&expiries, &settings);
    service.spawn("export", export(service.clone(), tracing.clone(), thread))?;
    tracing.apply(&settings)?;
    let watched = Arc::clone(&expiries);
    let me = service.clone();
    service.spawn("certificates", async move {
        me.run_until_stopped(watched.run()).await;
        watched.clear();
    })?;
    let (me, of) = (service.clone(), tracing.clone());
    service.spawn("sampling", async move { of.end_temporary(&me).await })?;
    let (of, log) = (tracing.clone(), service.log().clone());
    service.spawn("reload", async move {
        let mut config = config;
        while let Some(config) = config.changed().await {
            let settings = Arc::new(Settings::new(&app, &config, &variables));
            show_expiries(&expiries, &settings);
            if let Err(error) = of.apply(&settings) {
                error!(log, "spans stay off"; "event" => SPANS_GO.hex(), "err" => #&error);
            }
        }
    })?;
    Ok(tracing)
}

fn show_expiries(watch: &ExpiryWatch, settings: &Settings) {
    let material = settings.material.as_ref();
    watch.show(
        material
            .map_or_else(Vec::new, |(pair, authorities)| Expiry::of_collector(pair.as_ref(), authorities)),
    );
}

/// Stops the exporter when the service stops.
async fn export(service: Service, tracing: Tracing, mut thread: ExportThread) {
    let stops = tokio::select! {
        () = service.dying() => true,
        () = thread.ended() => false,
    };
    if stops {
        // What ends from now on is not for the exporter. Then it exports what waits.
        tracing.remove();
        return thread.stop(service.log()).await;
    }
    // A mistake of this crate must not stop an application that is well without traces.
    tracing.give_up("the exporter ended with a panic; spans are off until the application starts again");
    service.dying().await;
}

#[cfg(test)]
mod tests;
