//! The life of a service with a command server, without a call and with one. On one thread, with a log that only writes
//! errors.

use std::process::ExitCode;

use app_core::{LogLevel, commands::CommandServer, prelude::*, testing::TestApp};
use tokio::runtime::{Builder, Runtime};

use crate::{Rows, valgrind};

const IDLE: &str = "life/idle";
const CALLED: &str = "life/called";
const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

pub(crate) fn table() -> Rows {
    let stages = [
        ("a life", "life"),
        ("making the service and registering it", "make"),
        ("making the command server", "serve"),
        ("the call", "call"),
        ("the kill", "kill"),
        ("the task's run to its end, and the wait for it", "end"),
        ("freeing what is left", "free"),
    ];
    let lives = [("without a call", IDLE), ("called once", CALLED)];
    lives.into_iter().flat_map(|(which, piece)| of(&stages, which, piece)).collect()
}

fn of<'a>(
    stages: &'a [(&str, &str)],
    which: &'a str,
    piece: &'static str,
) -> impl Iterator<Item = (String, u64)> + use<'a> {
    let count = move |stage: &str| valgrind::instructions(piece, &format!("pieces::life::{stage}"));
    let there = move |(_, stage): &&(&str, &str)| *stage != "call" || piece == CALLED;
    let counts =
        stages.iter().filter(there).map(move |(what, stage)| (format!("{which}: {what}"), count(stage)));
    counts
        .chain(std::iter::once_with(move || (format!("{which}: allocations"), valgrind::allocations(piece))))
}

pub(crate) fn run(piece: &str, times: u64) -> ExitCode {
    let calls = CALLED.ends_with(piece);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let quiet = TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error);
    let app = runtime.block_on(quiet.start());
    (0..times).for_each(|_| life(&runtime, &app, calls));
    runtime.block_on(app.stop()).expect_clean();
    ExitCode::SUCCESS
}

#[inline(never)]
fn life(runtime: &Runtime, app: &TestApp, calls: bool) {
    let service = make(app);
    let server = serve(runtime, &service);
    if calls {
        call(runtime, &server);
    }
    kill(&service);
    end(runtime, &service);
    free(service, server);
}

#[inline(never)]
fn make(app: &TestApp) -> Service {
    let service = Service::new(app, SERVICE, "one").unwrap();
    app.register(&service).unwrap();
    service
}

#[inline(never)]
fn serve(runtime: &Runtime, service: &Service) -> CommandServer<u64> {
    let _entered = runtime.enter();
    CommandServer::builder("count", 16).spawn(service, 0_u64).unwrap()
}

#[inline(never)]
fn call(runtime: &Runtime, server: &CommandServer<u64>) {
    runtime.block_on(server.call(|count| *count)).unwrap();
}

#[inline(never)]
fn kill(service: &Service) {
    service.kill("enough");
}

#[inline(never)]
fn end(runtime: &Runtime, service: &Service) {
    runtime.block_on(service.wait()).unwrap();
}

#[inline(never)]
fn free(service: Service, server: CommandServer<u64>) {
    drop((service, server));
}
