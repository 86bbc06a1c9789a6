//! Dumps of an app's tasks and threads, to find out why it hangs.

use std::io::{self, Write};

use super::App;

impl App {
    /// Writes the live tasks of every service, by name.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.spawn("waits", std::future::pending::<()>())?;
    /// let mut dump = Vec::new();
    /// app.dump_tasks(&mut dump).context("write to memory")?;
    /// assert!(String::from_utf8_lossy(&dump).contains("task waits"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When writing fails.
    pub fn dump_tasks(&self, out: &mut dyn Write) -> io::Result<()> {
        for service in self.services() {
            writeln!(out, "service {} is {}", service.describe(), service.state())?;
            for task in service.open_tasks() {
                writeln!(out, "  task {task}")?;
            }
        }
        Ok(())
    }

    /// Writes the stack of every thread of the process, then the live tasks of every service by name.
    ///
    /// Blocks the calling thread, 100 ms for each thread that does not answer and 10 s at most: call it with
    /// [`run_blocking`](crate::threads::run_blocking) from a task.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let mut dump = Vec::new();
    /// app.dump_stacks(&mut dump).context("write to memory")?;
    /// assert!(String::from_utf8_lossy(&dump).contains("service seven (7)"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When writing fails.
    pub fn dump_stacks(&self, out: &mut dyn Write) -> io::Result<()> {
        // The tasks are useful even if the threads cannot be dumped.
        let threads = crate::stacks::dump_threads(out);
        self.dump_tasks(out)?;
        threads
    }
}
