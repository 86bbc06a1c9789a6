//! The current app of the process. The functions of the packages act on it, so only one test at a time may set it.

use std::ops::Deref;

use app_core::testing::{TestApp, TestAppBuilder};
use tokio::sync::{Mutex, MutexGuard};

static TURN: Mutex<()> = Mutex::const_new(());

/// A test app that is the current app until it is dropped.
pub(crate) struct CurrentApp {
    app: TestApp,
    _turn: MutexGuard<'static, ()>,
}

impl CurrentApp {
    pub(crate) async fn start(builder: TestAppBuilder) -> Self {
        let turn = TURN.lock().await;
        let app = builder.start().await;
        app_core::compat::install(&app);
        Self { app, _turn: turn }
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await.expect_clean();
    }
}

impl Deref for CurrentApp {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}
