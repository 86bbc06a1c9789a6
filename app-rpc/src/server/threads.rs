//! The threads of a server.

use std::io;

use app_core::prelude::{Duration, Logger};
use tokio_util::sync::CancellationToken;

use crate::Role;
use crate::threads::{LocalSpawner, LocalThreads};

/// The threads of a server: the first accepts connections and runs handshakes, and the others serve clients.
pub(super) struct ServerThreads {
    threads: LocalThreads,
    /// The number of threads for clients without a grant.
    count: usize,
}

/// Sends jobs to the threads of a server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Spawners {
    accepting: LocalSpawner,
    readers: LocalSpawner,
    granted: LocalSpawner,
}

impl ServerThreads {
    /// Starts `count` threads that serve connections, and one thread that accepts them. The admin interface has one more, for clients
    /// with a grant.
    ///
    /// # Errors
    /// The system refuses a thread: see [`LocalThreads::named`].
    pub(super) fn start(name: &str, count: usize, is_admin: bool, log: &Logger) -> io::Result<Self> {
        let accepting = format!("{name}-accept");
        let readers = (0..count).map(|number| format!("{name}-{number}"));
        let granted = is_admin.then(|| format!("{name}-granted"));
        let names = std::iter::once(accepting).chain(readers).chain(granted);
        Ok(Self { threads: LocalThreads::named(names, log)?, count })
    }

    /// Cancelled when a thread has panicked.
    pub(super) fn broken(&self) -> CancellationToken {
        self.threads.broken()
    }

    pub(super) fn spawners(&self) -> Spawners {
        let (readers, all) = (1..1 + self.count, self.threads.len());
        // Without a thread of their own, clients with a grant use the threads of the others.
        let granted = if all > readers.end { readers.end..all } else { readers.clone() };
        Spawners {
            accepting: self.threads.spawner_of(0..1),
            readers: self.threads.spawner_of(readers),
            granted: self.threads.spawner_of(granted),
        }
    }

    /// As [`LocalThreads::join`].
    pub(super) async fn join(self, deadline: Duration) {
        self.threads.join(deadline).await;
    }
}

impl Spawners {
    /// Spawns on the thread that accepts connections and runs handshakes.
    pub(super) fn accepting(&self) -> &LocalSpawner {
        &self.accepting
    }

    /// Spawns on the threads that serve a client with this role.
    pub(super) fn serving(&self, role: Role) -> &LocalSpawner {
        if role > Role::Read { &self.granted } else { &self.readers }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use app_core::testing::TestApp;

    use super::*;

    /// The name of the thread that runs a job.
    fn runs_on(spawner: &LocalSpawner) -> Receiver<String> {
        let (sender, name) = channel();
        let job = move || async move { sender.send(thread::current().name().unwrap().to_owned()).unwrap() };
        spawner.spawn(job).unwrap();
        name
    }

    #[tokio::test]
    async fn a_client_with_a_grant_waits_for_no_reader() {
        let app = TestApp::empty().await;
        let threads = ServerThreads::start("test", 1, true, app.logger()).unwrap();
        let spawners = threads.spawners();
        assert_eq!(runs_on(spawners.serving(Role::Read)).recv().unwrap(), "test-0");
        // A call of a reader blocks its thread, and the queue of the thread is full.
        let (go_on, blocked) = channel::<()>();
        let block = move || async move {
            let _ = blocked.recv();
        };
        spawners.serving(Role::Read).spawn(block).unwrap();
        while spawners.serving(Role::Read).spawn(|| async {}).is_ok() {}
        for (spawner, expected) in [
            (spawners.accepting(), "test-accept"),
            (spawners.serving(Role::Operate), "test-granted"),
            (spawners.serving(Role::Admin), "test-granted"),
        ] {
            assert_eq!(runs_on(spawner).recv().unwrap(), expected);
        }
        drop(go_on);
        threads.join(Duration::from_secs(20)).await;
    }

    #[tokio::test]
    async fn an_endpoint_without_a_thread_for_grants_serves_all_clients_on_the_others() {
        let app = TestApp::empty().await;
        let threads = ServerThreads::start("test", 1, false, app.logger()).unwrap();
        let spawners = threads.spawners();
        assert_eq!(runs_on(spawners.serving(Role::Admin)).recv().unwrap(), "test-0");
        assert_eq!(runs_on(spawners.accepting()).recv().unwrap(), "test-accept");
        threads.join(Duration::from_secs(20)).await;
    }
}
