//! The life of a service with a command server, on one thread, with a log of errors alone.

use std::process::ExitCode;

use app_core::{CommandServer, LogLevel, prelude::*, testing::TestApp};
use tokio::runtime::{Builder, Runtime};

use crate::{Rows, valgrind};

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

pub(crate) fn table() -> Rows {
    let stages = [
        ("a life", "life"),
        ("making the service and registering it", "make"),
        ("making the command server, spawning its task", "serve"),
        ("the kill", "kill"),
        ("the task's run to its end, the burial, the wait", "end"),
        ("freeing what is left", "free"),
    ];
    let mut rows: Rows = stages
        .map(|(what, stage)| {
            (what.to_owned(), valgrind::instructions("life/", &format!("pieces::life::{stage}")))
        })
        .into();
    rows.push(("allocations".to_owned(), valgrind::allocations("life/")));
    rows
}

pub(crate) fn run(times: u64) -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let quiet = TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error);
    let app = runtime.block_on(quiet.start());
    (0..times).for_each(|_| life(&runtime, &app));
    runtime.block_on(app.stop()).expect_clean();
    ExitCode::SUCCESS
}

#[inline(never)]
fn life(runtime: &Runtime, app: &TestApp) {
    let service = make(app);
    let server = serve(runtime, &service);
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
    service.command_server("count", 16, 0_u64).unwrap()
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
