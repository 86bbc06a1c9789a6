//! Stack dumps. A dump interrupts every thread, so clients that ask at the same time share one.
//!
//! A thread of its own makes the dump, because the runtime may be what hangs.

use std::io::{self, Write};
use std::sync::Arc;

use app_core::{App, threads::spawn_thread};
use capnp::Error as RpcError;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use super::offload::DEADLINE;

/// The longest dump, compressed. It must fit into a message, so the rest is cut off, and the dump says so.
const MAX_BYTES: usize = 768 * 1024;

type Dump = Result<Arc<[u8]>, String>;

/// The dump in progress, if there is one.
#[derive(Default)]
pub(super) struct Stacks(Arc<Mutex<Option<watch::Receiver<Option<Dump>>>>>);

impl Stacks {
    /// The stacks of all threads and the live tasks of all services, compressed with zlib.
    pub(super) async fn dump(&self, app: &App) -> capnp::Result<Arc<[u8]>> {
        let mut in_progress = self.join(app)?;
        let dumped = timeout(DEADLINE, in_progress.wait_for(Option::is_some)).await;
        let late = || RpcError::failed("the stack dump took too long: try again".to_owned());
        let dump = dumped.map_err(|_| late())?.map_err(|_| late())?.clone();
        dump.ok_or_else(late)?.map_err(RpcError::failed)
    }

    /// Joins the dump in progress, or begins one. A dump goes on when its clients are gone.
    fn join(&self, app: &App) -> capnp::Result<watch::Receiver<Option<Dump>>> {
        let mut current = self.0.lock();
        // A dump whose thread has died has no result.
        if let Some(in_progress) = current.as_ref().filter(|in_progress| in_progress.has_changed().is_ok()) {
            return Ok(in_progress.clone());
        }
        let (done, in_progress) = watch::channel(None);
        let (app, own_current) = (app.clone(), Arc::clone(&self.0));
        let dumping = spawn_thread("stacks", move || {
            let dumped = dump(&app).map_err(|error| error.to_string());
            // Before the result is sent, so that a client that asks after it gets a new dump.
            *own_current.lock() = None;
            done.send_replace(Some(dumped.map(Arc::from)));
        });
        dumping.map_err(|refused| RpcError::failed(format!("no stack dump was made: {refused}")))?;
        *current = Some(in_progress.clone());
        Ok(in_progress)
    }
}

fn dump(app: &App) -> io::Result<Vec<u8>> {
    let encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut out = Capped { encoder, cut: false };
    if let Err(error) = app.dump_stacks(&mut out) {
        // An incomplete dump is better than none.
        writeln!(out, "\nthe dump is incomplete: {error}")?;
    }
    out.finish()
}

/// Compresses text up to a limit, and drops the rest.
struct Capped {
    encoder: ZlibEncoder<Vec<u8>>,
    cut: bool,
}

impl Capped {
    fn finish(mut self) -> io::Result<Vec<u8>> {
        if self.cut {
            self.encoder.write_all(b"\n.. cut off: the dump is larger than a message\n")?;
        }
        self.encoder.finish()
    }
}

impl Write for Capped {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.cut |= self.encoder.get_ref().len() >= MAX_BYTES;
        if !self.cut {
            // In small pieces, because the limit is only checked between pieces.
            return self.encoder.write(&text[..text.len().min(4096)]);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_that_does_not_fit_into_a_message_is_cut_off_and_says_so() {
        let encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut out = Capped { encoder, cut: false };
        // Random numbers do not compress.
        for _ in 0..1_000_000 {
            out.write_all(&app_ids::random_u64().to_le_bytes()).unwrap();
        }
        let compressed = out.finish().unwrap();
        assert!((MAX_BYTES..1024 * 1024).contains(&compressed.len()), "{}", compressed.len());
        let mut text = Vec::new();
        io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&compressed[..]), &mut text).unwrap();
        assert!(text.ends_with(b"larger than a message\n"));
    }
}
