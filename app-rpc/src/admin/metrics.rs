//! The interface `TextReader`: metrics, in pieces, so that a million series need no more of a message or of memory than ten.

use std::rc::Rc;
use std::sync::Arc;

use app_metrics::{Exposition, Format, Metrics};
use capnp::Error as RpcError;
use parking_lot::Mutex;
use schema::admin_capnp::text_reader;
use tokio::sync::Semaphore;

use super::clients::Slot;
use super::failed;
use super::gate::Session;

/// A piece of which the reader says nothing.
const PIECE_BYTES: usize = 64 * 1024;

/// The longest piece: of the smallest limit of messages that is usual, 1 MiB, a few fit.
const MAX_PIECE_BYTES: usize = 256 * 1024;

/// A reader of what a scrape reads. It is rendered as it is read.
pub(super) struct ReaderServer {
    session: Rc<Session>,
    exposition: Arc<Mutex<Exposition>>,
    /// Who reads now; those who wait have their turn in the order of asking.
    turn: Semaphore,
    _place: Slot,
}

impl ReaderServer {
    /// Opens one for all metrics as they are now.
    pub(super) async fn open(session: &Rc<Session>, format: Format) -> capnp::Result<Self> {
        let place = session.client.readers.take("readers")?;
        let admin = &session.admin;
        let metrics = admin.app().get::<Metrics>().map_err(|error| failed(&error))?;
        // What the platform measures itself is read for it, and the process' status.
        let begun = move || metrics.exposition(format);
        let exposition = admin.offload.run(session, "the beginning of a scrape", begun).await?;
        let exposition = Arc::new(Mutex::new(exposition));
        let session = Rc::clone(session);
        Ok(Self { session, exposition, turn: Semaphore::new(1), _place: place })
    }
}

impl text_reader::Server for ReaderServer {
    async fn read(
        self: Rc<Self>,
        params: text_reader::ReadParams,
        mut results: text_reader::ReadResults,
    ) -> Result<(), RpcError> {
        let bytes = match params.get()?.get_max_bytes() {
            0 => PIECE_BYTES,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX).min(MAX_PIECE_BYTES),
        };
        // It is never closed.
        let _turn = self.turn.acquire().await;
        let exposition = Arc::clone(&self.exposition);
        let read = move || {
            let mut piece = Vec::with_capacity(bytes);
            let end = exposition.lock().read(&mut piece, bytes);
            (piece, end)
        };
        let (piece, end) = self.session.admin.offload.run(&self.session, "reading metrics", read).await?;
        let mut results = results.get();
        results.set_piece(&piece);
        results.set_end(end);
        Ok(())
    }
}
