//! The stack of an error from a task of a service has the frames of the task, and none of the runtime.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_core::{prelude::*, testing::TestApp};
use tokio::sync::oneshot;

const SERVICE: ServiceId = ServiceId::new(0x9d5e_0b1c_44f2_7a63);

#[inline(never)]
fn raise() -> Error {
    errors::BUG.error(SERVICE).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stack_ends_at_the_task_of_the_service() {
    let app = TestApp::builder().start().await;
    let service = app.new_service(SERVICE, "raises");
    let (sender, raised) = oneshot::channel();
    let task = async move {
        // Yields first, so that the scheduler polls the task.
        tokio::task::yield_now().await;
        let _ = sender.send(raise());
    };
    service.spawn("raises", task).unwrap();
    let error = raised.await.unwrap();
    let stack = error.stack().unwrap();
    let frames = stack.frames();
    let has = |name: &str| frames.iter().any(|frame| frame.function.contains(name));
    assert!(frames[0].function.ends_with("raise") && has("a_stack_ends_at_the_task"), "{frames:#?}");
    assert!(!has("tokio::runtime"), "{frames:#?}");
    // The walk ended before the frames of the runtime, too.
    let walked = stack.addresses().len();
    assert!(walked <= 24, "{walked} addresses, {frames:#?}");
    app.stop().await.expect_clean();
}
