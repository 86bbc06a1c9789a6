//! An app with oversized answers costs `appctl` little memory, and at most the time of its deadline.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app_core::testing::TestApp;
use schema::admin_capnp::app;

use crate::files::Files;
use crate::fixture::{ENDPOINT, Ran, appctl, run, start_with};
use crate::flood::{Flood, Shape};

/// Memory limit of a command in kB. A command that needs more aborts.
const MOST_MEMORY: u32 = 150_000;

struct Flooding {
    _app: TestApp,
    files: Files,
    shape: Arc<Mutex<Shape>>,
}

impl Flooding {
    async fn new() -> Self {
        let (files, shape) = (Files::new(), Arc::new(Mutex::new(Shape::Nothings)));
        let shared = Arc::clone(&shape);
        let make =
            move |_: &app_rpc::Peer| -> app::Client { capnp_rpc::new_client(Flood(Arc::clone(&shared))) };
        let (app, address) = start_with(&files, "", make).await;
        files.contexts(&address.to_string(), ENDPOINT);
        Self { _app: app, files, shape }
    }

    /// Runs a command with this kind of answer. It gets ten times its deadline, because the machine may be busy.
    async fn run(&self, shape: Shape, args: &[&str], deadline: Duration) -> Ran {
        *self.shape.lock().unwrap() = shape;
        let began = Instant::now();
        let plain = appctl(self.files.path(), args);
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(format!("ulimit -d {MOST_MEMORY}; exec \"$0\" \"$@\""));
        limited.arg(plain.get_program()).args(plain.get_args()).current_dir(self.files.path());
        limited.env("OP_CONTEXT", self.files.path().join("contexts.json"));
        limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = run(limited).await;
        assert!(began.elapsed() < deadline * 10, "{shape:?} {args:?}: {:?}", began.elapsed());
        ran
    }
}

const READS: [&[&str]; 7] = [
    &["status"],
    &["services", "--json"],
    &["services", "quota"],
    &["health", "list"],
    &["health", "ready", "--context", "contexts.json"],
    &["level"],
    &["configs"],
];
const TOO_LARGE: &str = "the answer is too large: it claims more than its bytes can hold";
const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_elements_that_take_nothing_is_refused_unread() {
    let flooding = Flooding::new().await;
    for args in READS {
        let said = flooding.run(Shape::Nothings, args, DEADLINE).await.refused(1);
        assert!(said.contains(TOO_LARGE), "{args:?}: {said}");
    }
    let ran = flooding.run(Shape::Nothings, &["events", "--for", "5s"], DEADLINE).await;
    assert!(ran.status == Some(1) && ran.stderr.contains(TOO_LARGE), "{ran:?}");
    // The call was executed, and its result is unknown.
    let said = flooding.run(Shape::Nothings, &["reload", "-r", "x"], DEADLINE).await.refused(4);
    assert!(said.contains("it may have been done: the answer is too large"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_and_errors_of_any_length_are_cut() {
    let flooding = Flooding::new().await;
    for args in [&["status"][..], &["services"], &["services", "--json"]] {
        let printed = flooding.run(Shape::LongTexts, args, DEADLINE).await.printed();
        assert!(printed.contains("éé") && printed.len() < 20_000, "{args:?}: {} bytes", printed.len());
    }
    for args in READS {
        let said = flooding.run(Shape::LongErrors, args, DEADLINE).await.refused(1);
        assert!(said.contains("éé") && said.len() < 1200, "{args:?}: {} bytes", said.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_end_ends_with_the_deadline() {
    let flooding = Flooding::new().await;
    let short = Duration::from_secs(3);
    let args = ["metrics", "--timeout", "3s"];
    for (shape, more) in [
        (Shape::Endless, &[][..]),
        (Shape::Endless, &["--filter", "nothing"][..]),
        (Shape::EmptyPieces, &[][..]),
        (Shape::EmptyPieces, &["--json"][..]),
    ] {
        let ran = flooding.run(shape, &[&args[..], more].concat(), short).await;
        assert_eq!((ran.status, ran.stderr.lines().count()), (Some(3), 1), "{shape:?}: {}", ran.stderr);
        // The last of many calls may reach the app at the deadline, and the app says so.
        let ended = [": no answer: ", ": its deadline has passed"].iter().any(|end| ran.stderr.contains(end));
        assert!(ended, "{shape:?}: {}", ran.stderr);
    }
    let said = flooding.run(Shape::EndlessLine, &["metrics"], DEADLINE).await.refused(1);
    assert!(said.contains("metrics: a line has more than 1048576 bytes"), "{said}");
    // There were no events, which is not a failure.
    let ran = flooding.run(Shape::Endless, &["events", "--for", "2s", "--json"], short).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_that_unpacks_to_too_much_is_refused() {
    let flooding = Flooding::new().await;
    let said = flooding.run(Shape::Bomb, &["stacks"], DEADLINE).await.refused(1);
    assert!(said.contains("the stack dump has more than 8388608 bytes"), "{said}");
}
