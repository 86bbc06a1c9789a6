//! The application of the proofs. Its processes are the test program again, with the test [`runs_as_a_process`] alone.

use std::env;
use std::path::PathBuf;
use std::process::{abort, exit};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use app_core::prelude::*;
use app_core::{AppBuilder, Flags, Provided};
use app_messaging::{Done, Message, Messaging, Retry};
use quota_schema::quota_capnp::quota_rule;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::journal::Pen;
use crate::pass;

/// Works, in every process of a proof.
pub(crate) const WORKER: ServiceId = ServiceId::new(0xa47c_19e6_5d02_b83f);

/// The domain of the proofs.
pub(crate) const DOMAIN: u64 = 0xd0;

/// The name of the stream in NATS.
pub(crate) const STREAM: &str = "OP_d0_c69e3b087f24da51";

app_messaging::message! {
    /// A piece of work. Its name says what its handler does.
    pub(crate) struct Job(quota_rule::Owned);
    id: 0xb58d_2af7_6e13_c940, of: WORKER, name: "job", kind: Stored, key: |job| job.get_name()
}
app_messaging::stream! {
    /// Keeps work.
    pub(crate) JOBS: id 0xc69e_3b08_7f24_da51, of: WORKER, name: "jobs", stores: [Job]
}
app_core::service! { id: WORKER, name: "worker", start: start }

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Handles work.
    Works,
    /// Begins work, and never ends it.
    Hangs,
    /// Leads, and tells it the store at this port.
    Leads(u16),
}

impl Task {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Works => "works".to_owned(),
            Self::Hangs => "hangs".to_owned(),
            Self::Leads(port) => port.to_string(),
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "works" => Self::Works,
            "hangs" => Self::Hangs,
            port => Self::Leads(port.parse().unwrap()),
        }
    }
}

/// How a process works.
#[derive(Debug)]
struct Settings {
    task: Task,
    pen: Arc<Pen>,
    ack_wait: Duration,
    stop_grace: Duration,
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is missing"))
}

#[test]
#[ignore = "the process of a proof, which starts it"]
fn runs_as_a_process() {
    // With all ignored tests it is no part of a proof.
    let Ok(task) = env::var("PROOF_TASK") else { return };
    let millis = |name| Duration::from_millis(variable(name).parse().unwrap());
    let settings = Settings {
        task: Task::read(&task),
        pen: Arc::new(Pen::of_this_process(&PathBuf::from(variable("PROOF_JOURNAL")))),
        ack_wait: millis("PROOF_ACK_WAIT"),
        stop_grace: millis("PROOF_STOP_GRACE"),
    };
    let mut flags = Flags::with_config_dir(variable("PROOF_CONFIGS"));
    flags.domain_id = DOMAIN.into();
    flags.app_id = 0xa0.into();
    let builder = AppBuilder::new().package(app_core::package!()).any_port(true).flags(flags);
    let ended = builder.provide(settings).run();
    exit(i32::from(ended != std::process::ExitCode::SUCCESS));
}

// A start function is async, whether it waits for something or not.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(
    service: Service,
    messaging: Dep<Messaging>,
    settings: Provided<Settings>,
) -> Result<(), Error> {
    if let Task::Leads(store) = settings.task {
        let lease = Duration::from_secs(1);
        return messaging.lead("proof", lease).run(&service, move |term| async move {
            loop {
                // What the store answers is its matter. A lost leadership drops this future.
                let _ = tell(store, term.as_u64()).await;
                // And one that is on its way, whatever happens to the leadership.
                tokio::spawn(async move {
                    pass(Duration::from_millis(50)).await;
                    tell(store, term.as_u64()).await
                });
                pass(Duration::from_millis(10)).await;
            }
        });
    }
    let consumer = messaging.consumer("proof").of::<Job>().ack_wait(settings.ack_wait);
    let retry = Retry::after(Duration::from_millis(100)).times(3);
    let consumer = consumer.stop_grace(settings.stop_grace).retry(retry);
    let hangs = settings.task == Task::Hangs;
    let pen = Arc::clone(&settings.pen);
    consumer.start(&service, move |job| {
        let pen = Arc::clone(&pen);
        async move {
            let run = Run::begin(&job, pen)?;
            if hangs {
                std::future::pending::<()>().await;
            }
            match run.message.split('-').next() {
                Some("slow") => pass(Duration::from_millis(700)).await,
                Some("short") => pass(Duration::from_millis(150)).await,
                Some("abort") => {
                    // Those beside it have begun.
                    pass(Duration::from_millis(50)).await;
                    abort();
                }
                _ => {}
            }
            run.ends();
            Ok(Done)
        }
    })
}

/// Tells the store that this process leads. Returns whether the store accepted it.
async fn tell(store: u16, term: u64) -> std::io::Result<bool> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", store)).await?);
    stream.write_all(format!("{} {term}\n", std::process::id()).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    Ok(answer.trim() == "accepted")
}

/// A handler that runs.
struct Run {
    message: String,
    age: Duration,
    sequence: u64,
    id: String,
    pen: Arc<Pen>,
    over: bool,
}

impl Run {
    fn begin(job: &Message<Job>, pen: Arc<Pen>) -> Result<Self, Error> {
        let message = job.read(|job| Ok(job.get_name()?.to_string()?))?;
        let age =
            job.sent_at().and_then(|sent| SystemTime::now().duration_since(sent).ok()).unwrap_or_default();
        let id = job.id().unwrap_or("none").to_owned();
        let run = Self { message, age, sequence: job.stream_sequence().unwrap_or(0), id, pen, over: false };
        run.note("begin");
        Ok(run)
    }

    fn note(&self, what: &str) {
        self.pen.note(what, &self.message, self.age, self.sequence, &self.id);
    }

    /// Before the acknowledgement: what is acknowledged is in the journal.
    fn ends(mut self) {
        self.over = true;
        self.note("done");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.over {
            self.note("cancelled");
        }
    }
}
