//! The interface `TextReader`: metrics in pieces. So a million series need no larger message and no more memory than ten.

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

/// The size of a piece if the client asks for none.
const PIECE_BYTES: usize = 64 * 1024;

/// The longest piece. A few of them fit into a message of 1 MiB, the lowest usual limit.
const MAX_PIECE_BYTES: usize = 256 * 1024;

/// Serves `TextReader`: one scrape, rendered as it is read.
pub(super) struct ReaderServer {
    session: Rc<Session>,
    exposition: Arc<Mutex<Exposition>>,
    /// The one read that may run. Others wait in order.
    turn: Semaphore,
    _slot: Slot,
}

impl ReaderServer {
    /// Begins a scrape of all metrics.
    pub(super) async fn open(session: &Rc<Session>, format: Format) -> capnp::Result<Self> {
        let slot = session.client.readers.take("readers of metrics")?;
        let admin = &session.admin;
        let metrics = admin.app().get::<Metrics>().map_err(|error| failed(&error))?;
        // This blocks: it reads the status of the process, and what the platform measures.
        let begun = move || metrics.exposition(format);
        let exposition = admin.offload.run(session, "beginning a scrape", begun).await?;
        let exposition = Arc::new(Mutex::new(exposition));
        let session = Rc::clone(session);
        Ok(Self { session, exposition, turn: Semaphore::new(1), _slot: slot })
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
        // The semaphore is never closed.
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
