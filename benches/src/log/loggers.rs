//! Loggers with `/dev/null` as their sink, each set up as its documentation recommends, and the record that all of them log.

use std::{
    cell::Cell,
    fs::{File, OpenOptions},
    hint::black_box,
    io::{self, BufWriter},
    sync::Mutex,
    time::Duration,
};

use app_core::{Identity, Log, LogLevel, log::LogFormat};
use app_ids::{AppId, DomainId, InstanceId, ReleaseId, ServiceId};
use slog::{Drain, Logger, o};
use tracing::Dispatch;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

use crate::rounds::{Failure, Uncounted};

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

fn null() -> io::Result<File> {
    OpenOptions::new().write(true).open("/dev/null")
}

pub(crate) fn identity() -> Identity {
    Identity {
        domain: DomainId::new(0xf00d_cafe_0000_0001),
        app: AppId::new(0xbeef_0000_0000_0002),
        release: ReleaseId::new(3),
        instance: InstanceId::random(),
    }
}

/// Our logger of a service.
pub(crate) struct PlatformLog {
    log: Log,
    /// Number of dropped records up to the last round.
    dropped: Cell<u64>,
    pub(crate) logger: Logger,
}

impl PlatformLog {
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::on(Box::new(null()?))
    }

    pub(crate) fn on(writer: Box<dyn io::Write + Send>) -> Result<Self, Failure> {
        let log = Log::to_writer(&identity(), LogFormat::Json, LogLevel::Info, writer)?;
        let logger = log.service_logger(SERVICE, "quota");
        Ok(Self { log, dropped: Cell::new(0), logger })
    }

    /// Waits until all records are written. A round with dropped records does not count, because dropping costs less.
    pub(crate) fn written(&self, deadline: Duration) -> Result<(), Failure> {
        if !self.log.flush(deadline) {
            return Err(format!("not written within {deadline:?}").into());
        }
        let dropped = self.log.dropped();
        if self.dropped.replace(dropped) == dropped { Ok(()) } else { Err(Uncounted.into()) }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }
}

/// Has the same constant values as ours, and the default ones: time, level and message.
pub(crate) struct SlogJson {
    pub(crate) logger: Logger,
}

impl SlogJson {
    /// Flushes each record to the file, or only full buffers.
    pub(crate) fn new(flushed: bool) -> Result<Self, Failure> {
        let json =
            slog_json::Json::new(BufWriter::new(null()?)).add_default_keys().set_flush(flushed).build();
        let Identity { domain, app, release, instance } = identity();
        let constant = o!(
            "domain" => domain.hex(), "app" => app.hex(), "release" => release.hex(), "instance" => instance.hex(),
            "svc" => SERVICE.hex(), "svc_name" => "quota",
        );
        Ok(Self { logger: Logger::root(Mutex::new(json).fuse(), constant) })
    }
}

/// Without the constant values. In `tracing` they would belong to a span and cost more.
pub(crate) struct Tracing {
    dispatch: Dispatch,
    _writer: Option<WorkerGuard>,
}

impl Tracing {
    pub(crate) fn plain() -> Result<Self, Failure> {
        let subscriber = tracing_subscriber::fmt().json().with_writer(Mutex::new(null()?)).finish();
        Ok(Self { dispatch: Dispatch::new(subscriber), _writer: None })
    }

    pub(crate) fn non_blocking() -> Result<Self, Failure> {
        let (writer, guard) = NonBlocking::new(null()?);
        let subscriber = tracing_subscriber::fmt().json().with_writer(writer).finish();
        Ok(Self { dispatch: Dispatch::new(subscriber), _writer: Some(guard) })
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, work)
    }
}

#[inline(never)]
pub(crate) fn ten_fields(log: &Logger) {
    slog::info!(log, "acquired";
        "rule" => black_box("default"),
        "key" => black_box("customer-4711"),
        "permits" => black_box(3_u32),
        "remaining" => black_box(97_u64),
        "granted" => black_box(true),
        "ratio" => black_box(0.97_f64),
        "retry_after" => black_box(-1_i64),
        "peer" => black_box("10.0.0.17:51123"),
        "attempt" => black_box(1_u8),
        "path" => black_box("/v1/quota/acquire"),
    );
}

#[inline(never)]
pub(crate) fn traced() {
    tracing::info!(
        rule = black_box("default"),
        key = black_box("customer-4711"),
        permits = black_box(3_u32),
        remaining = black_box(97_u64),
        granted = black_box(true),
        ratio = black_box(0.97_f64),
        retry_after = black_box(-1_i64),
        peer = black_box("10.0.0.17:51123"),
        attempt = black_box(1_u8),
        path = black_box("/v1/quota/acquire"),
        "acquired"
    );
}
