//! The queue of a command channel: commands, the checks of a new queue, and the receiving end.

use std::{
    fmt,
    task::{Context, Poll},
};

use app_errors::{Error, illegal_argument_error};
use tokio::sync::mpsc;

use crate::Service;

pub(super) type BoxedCommand<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A received command, to run on the state that the loop owns.
pub struct Command<S>(pub(super) BoxedCommand<S>);

impl<S> Command<S> {
    /// Runs the command.
    pub fn run(self, state: &mut S) {
        (self.0)(state);
    }
}

impl<S> fmt::Debug for Command<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Command")
    }
}

/// The receiving end: owned by the loop that runs the commands.
#[derive(Debug)]
pub struct CommandReceiver<S = ()> {
    commands: mpsc::Receiver<Command<S>>,
}

/// A queue for a service that is alive.
pub(super) fn queue<S>(
    service: &Service,
    name: &str,
    capacity: u16,
) -> Result<(mpsc::Sender<Command<S>>, CommandReceiver<S>), Error> {
    service.ensure_alive()?;
    if capacity == 0 {
        let message = format!(
            "command channel {name:?} of service {}: its capacity is zero; set at least 1",
            service.id().describe()
        );
        return Err(illegal_argument_error(message));
    }
    let (sender, commands) = mpsc::channel(usize::from(capacity));
    Ok((sender, CommandReceiver { commands }))
}

/// How many commands wait in the queue of this sender.
pub(super) fn waiting<T>(sender: &mpsc::Sender<T>) -> usize {
    sender.max_capacity() - sender.capacity()
}

impl<S> CommandReceiver<S> {
    /// Waits for the next command; `None` once closed and empty, or when every sender is gone. Cancel safe.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, commands::ServiceCommandChannel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let (channel, mut commands) = ServiceCommandChannel::<u64>::new(&service, "sums", 16)?;
    /// channel.submit(|sum| *sum += 2).await?;
    /// let mut sum = 0;
    /// let command = commands.recv().await.expect("there is one");
    /// command.run(&mut sum);
    /// assert_eq!(sum, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<Command<S>> {
        self.commands.recv().await
    }

    /// Waits for commands and takes up to `limit` of them at once; 0 once closed and empty. Cancel safe.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, commands::ServiceCommandChannel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let (channel, mut commands) = ServiceCommandChannel::<u64>::new(&service, "sums", 16)?;
    /// channel.submit(|sum| *sum += 2).await?;
    /// channel.submit(|sum| *sum += 3).await?;
    /// let (mut sum, mut batch) = (0, Vec::new());
    /// assert_eq!(commands.recv_many(&mut batch, 8).await, 2);
    /// batch.into_iter().for_each(|command| command.run(&mut sum));
    /// assert_eq!(sum, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_many(&mut self, batch: &mut Vec<Command<S>>, limit: usize) -> usize {
        self.commands.recv_many(batch, limit).await
    }

    pub(super) fn poll_recv_many(
        &mut self,
        context: &mut Context<'_>,
        batch: &mut Vec<Command<S>>,
        limit: usize,
    ) -> Poll<usize> {
        self.commands.poll_recv_many(context, batch, limit)
    }

    /// Refuses new commands; those accepted are still received.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, commands::ServiceCommandChannel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// # let (channel, mut commands) = ServiceCommandChannel::<u64>::new(&service, "sums", 16)?;
    /// commands.close();
    /// assert!(channel.try_submit(|sum| *sum += 2).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&mut self) {
        self.commands.close();
    }
}

impl<S> Drop for CommandReceiver<S> {
    fn drop(&mut self) {
        self.commands.close();
        // The channel's own drop stops at the first command that another thread is about to put in. It would leave the
        // commands behind that one in the queue, and their callers waiting. `try_recv` waits for the other thread.
        while self.commands.try_recv().is_ok() {}
    }
}
