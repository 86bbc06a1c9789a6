//! Memory of the server for each idle connection that has made one call.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::LocalSet;

use super::control::{Commands, Part, Role, Said, multi_thread, say};
use super::material::Material;
use super::process::Participant;
use super::{Who, bare, grpc};
use crate::rounds::Failure;

/// Connections that are opened at the same time.
const AT_ONCE: usize = 16;

/// Longest time to open all connections.
const CONNECTING: Duration = Duration::from_secs(60);

/// Raises the limit of open files for this process and its children. Returns the number of possible connections.
pub(super) fn raise_open_files(connections: usize) -> Result<(), Failure> {
    // An endpoint uses half of the files that its process may open for connections. Both processes need some other files.
    let needed = 2 * (connections + AT_ONCE) as u64 + 200;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        return Err(format!(
            "{connections} idle connections need {needed} open files in a process, and the limit is {hard}: raise it \
             (ulimit -Hn) and run again"
        )
        .into());
    }
    Ok(setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?)
}

/// Bytes of the server's resident set for each idle connection.
pub(super) fn measure(who: Who, material: &std::path::Path, connections: usize) -> Result<f64, Failure> {
    let role = |part| Role { part, who, material: material.to_owned() };
    let mut server = Participant::start(&role(Part::Server))?;
    let Said::Port(port) = server.hear(Duration::from_secs(20))? else {
        return Err("a server without a port".into());
    };
    let hold = |count| -> Result<Participant, Failure> {
        let mut holder = Participant::start(&role(Part::Idle(port, count)))?;
        holder.hear(CONNECTING)?;
        Ok(holder)
    };
    // The first connections cause allocations that happen only once.
    let _first = hold(AT_ONCE)?;
    let before = server.resident()?;
    let _held = hold(connections)?;
    let after = server.resident()?;
    Ok(after.saturating_sub(before) as f64 * 1024.0 / connections as f64)
}

/// The client: opens the connections, makes one call on each, and waits until the process ends.
pub(super) fn hold(
    material: &Material,
    who: Who,
    port: u16,
    count: usize,
    commands: Commands,
) -> Result<(), Failure> {
    if who == Who::Tonic {
        super::one_cipher_suite()?;
        return multi_thread()?.block_on(async {
            let mut held = Vec::with_capacity(count);
            while held.len() < count {
                let some = (0..AT_ONCE.min(count - held.len())).map(|_| async {
                    let channel = grpc::connect(material, port).await?;
                    grpc::acquire(channel.clone()).await?;
                    Ok::<_, Failure>(channel)
                });
                held.extend(futures_util::future::try_join_all(some).await?);
            }
            say(&Said::Connected);
            commands.until_the_end().await;
            Ok(())
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let connector = bare::connector(material)?;
        let mut held = Vec::with_capacity(count);
        while held.len() < count {
            let some = (0..AT_ONCE.min(count - held.len())).map(|_| async {
                let client = bare::connect(&connector, material, port).await?;
                bare::acquire(client.clone()).await?;
                Ok::<_, Failure>(client)
            });
            held.extend(futures_util::future::try_join_all(some).await?);
        }
        say(&Said::Connected);
        commands.until_the_end().await;
        Ok(())
    })
}
