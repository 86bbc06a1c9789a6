//! Dumps of stacks: one for all who ask at the same time, since it interrupts every thread.
//!
//! A thread of its own makes them: who asks for them wants to know what hangs, and that may be the runtime.

use std::io::{self, Write};
use std::sync::Arc;

use app_core::{App, spawn_thread};
use capnp::Error as RpcError;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use super::offload::DEADLINE;

/// The longest dump, compressed: it has to fit a message. What does not is left out, and that is said.
const MAX_BYTES: usize = 768 * 1024;

type Dump = Result<Arc<[u8]>, String>;

/// The dump that is under way, if there is one.
#[derive(Default)]
pub(super) struct Stacks(Arc<Mutex<Option<watch::Receiver<Option<Dump>>>>>);

impl Stacks {
    /// The stacks of all threads and the live tasks of all services, compressed with zlib.
    pub(super) async fn dump(&self, app: &App) -> capnp::Result<Arc<[u8]>> {
        let mut under_way = self.join(app)?;
        let dumped = timeout(DEADLINE, under_way.wait_for(Option::is_some)).await;
        let late = || RpcError::failed("the stacks were not dumped in time".to_owned());
        let dump = dumped.map_err(|_| late())?.map_err(|_| late())?.clone();
        dump.ok_or_else(late)?.map_err(RpcError::failed)
    }

    /// Joins the dump that is under way, or begins one. It goes on when those who asked are gone.
    fn join(&self, app: &App) -> capnp::Result<watch::Receiver<Option<Dump>>> {
        let mut place = self.0.lock();
        // One whose thread is gone gives nothing any more.
        if let Some(under_way) = place.as_ref().filter(|under_way| under_way.has_changed().is_ok()) {
            return Ok(under_way.clone());
        }
        let (done, under_way) = watch::channel(None);
        let (app, own_place) = (app.clone(), Arc::clone(&self.0));
        let dumping = spawn_thread("stacks", move || {
            let dumped = dump(&app).map_err(|error| error.to_string());
            // Before the result is there: who asks from now on wants a new one.
            *own_place.lock() = None;
            done.send_replace(Some(dumped.map(Arc::from)));
        });
        dumping.map_err(|refused| RpcError::failed(format!("the stacks cannot be dumped: {refused}")))?;
        *place = Some(under_way.clone());
        Ok(under_way)
    }
}

fn dump(app: &App) -> io::Result<Vec<u8>> {
    let encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut out = Capped { encoder, cut: false };
    if let Err(error) = app.dump_stacks(&mut out) {
        // What is there tells something all the same.
        writeln!(out, "\nnot all could be dumped: {error}")?;
    }
    out.finish()
}

/// Compresses as much as there is room for.
struct Capped {
    encoder: ZlibEncoder<Vec<u8>>,
    cut: bool,
}

impl Capped {
    fn finish(mut self) -> io::Result<Vec<u8>> {
        if self.cut {
            self.encoder.write_all(b"\n.. cut off: there is more than fits a message\n")?;
        }
        self.encoder.finish()
    }
}

impl Write for Capped {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.cut |= self.encoder.get_ref().len() >= MAX_BYTES;
        if !self.cut {
            // In pieces, so that the length is looked at now and then.
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
    fn what_does_not_fit_a_message_is_left_out_and_that_is_said() {
        let encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut out = Capped { encoder, cut: false };
        // Numbers at random, which can't be compressed.
        for _ in 0..1_000_000 {
            out.write_all(&app_ids::random_u64().to_le_bytes()).unwrap();
        }
        let compressed = out.finish().unwrap();
        assert!((MAX_BYTES..1024 * 1024).contains(&compressed.len()), "{}", compressed.len());
        let mut text = Vec::new();
        io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&compressed[..]), &mut text).unwrap();
        assert!(text.ends_with(b"more than fits a message\n"));
    }
}
