//! An app with oversized answers.

use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;

use capnp::message::{Reader, ReaderOptions, SegmentArray};
use capnp::{Error, any_pointer};
use capnp_rpc::new_client;
use schema::admin_capnp::{app, configs, event_stream, health, levels, runtime, text_reader};

/// The kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Lists of 400,000 elements that take no byte on the wire.
    Nothings,
    /// Texts of 200 kB.
    LongTexts,
    /// Errors of 500 kB.
    LongErrors,
    /// Endless lines of metrics, and empty answers for events.
    Endless,
    /// Endless empty pieces.
    EmptyPieces,
    /// One endless line of metrics.
    EndlessLine,
    /// A stack dump that unpacks to a thousand times its size.
    Bomb,
}

/// Number of list elements.
const NOTHINGS: u32 = 400_000;

#[derive(Clone)]
pub(crate) struct Flood(pub(crate) Arc<Mutex<Shape>>);

/// A message with a struct whose pointer at this index is a list of empty structs.
fn nothings(pointers: u16, index: u16) -> Vec<u8> {
    let mut words = vec![u64::from(pointers) << 48];
    words.extend((0..pointers).map(|at| {
        // A list pointer (1) with a composite element size (7). Its target is behind the pointers that follow.
        if at == index { u64::from(pointers - at - 1) << 2 | 1 | 7 << 32 } else { 0 }
    }));
    words.push(u64::from(NOTHINGS) << 2);
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Passes such a message to `set`.
fn with_nothings<T>(
    (pointers, index): (u16, u16),
    set: impl FnOnce(any_pointer::Reader<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let bytes = nothings(pointers, index);
    let segments = [bytes.as_slice()];
    let message = Reader::new(SegmentArray::new(&segments), ReaderOptions::new());
    let root: any_pointer::Reader<'_> = message.get_root()?;
    set(root)
}

macro_rules! answer_nothings {
    ($results:expr, $place:expr) => {
        with_nothings($place, |root| $results.set(root.get_as()?))
    };
}

impl Flood {
    fn shape(&self) -> Result<Shape, Error> {
        let shape = *self.0.lock().unwrap();
        if shape == Shape::LongErrors { Err(Error::failed("é".repeat(250_000))) } else { Ok(shape) }
    }
}

impl app::Server for Flood {
    async fn identity(
        self: Rc<Self>,
        _: app::IdentityParams,
        mut results: app::IdentityResults,
    ) -> Result<(), Error> {
        if self.shape()? == Shape::LongTexts {
            results.get().init_identity().set_name("é".repeat(100_000));
        }
        Ok(())
    }

    async fn readiness(
        self: Rc<Self>,
        _: app::ReadinessParams,
        mut results: app::ReadinessResults,
    ) -> Result<(), Error> {
        match self.shape()? {
            Shape::LongTexts => results.get().init_reasons(1).set(0, "é".repeat(100_000)),
            Shape::Nothings => answer_nothings!(results, (3, 1))?,
            _ => {}
        }
        Ok(())
    }

    async fn service_infos(
        self: Rc<Self>,
        _: app::ServiceInfosParams,
        mut results: app::ServiceInfosResults,
    ) -> Result<(), Error> {
        match self.shape()? {
            Shape::LongTexts => results.get().init_services(1).get(0).set_name("é".repeat(100_000)),
            Shape::Nothings => answer_nothings!(results, (1, 0))?,
            _ => {}
        }
        Ok(())
    }

    async fn reload(
        self: Rc<Self>,
        _: app::ReloadParams,
        mut results: app::ReloadResults,
    ) -> Result<(), Error> {
        if self.shape()? == Shape::Nothings {
            answer_nothings!(results, (1, 0))?;
        }
        Ok(())
    }

    async fn health(
        self: Rc<Self>,
        _: app::HealthParams,
        mut results: app::HealthResults,
    ) -> Result<(), Error> {
        results.get().set_health(new_client((*self).clone()));
        Ok(())
    }

    async fn levels(
        self: Rc<Self>,
        _: app::LevelsParams,
        mut results: app::LevelsResults,
    ) -> Result<(), Error> {
        results.get().set_levels(new_client((*self).clone()));
        Ok(())
    }

    async fn runtime(
        self: Rc<Self>,
        _: app::RuntimeParams,
        mut results: app::RuntimeResults,
    ) -> Result<(), Error> {
        results.get().set_runtime(new_client((*self).clone()));
        Ok(())
    }

    async fn metrics(
        self: Rc<Self>,
        _: app::MetricsParams,
        mut results: app::MetricsResults,
    ) -> Result<(), Error> {
        results.get().set_text(new_client((*self).clone()));
        Ok(())
    }

    async fn events(
        self: Rc<Self>,
        _: app::EventsParams,
        mut results: app::EventsResults,
    ) -> Result<(), Error> {
        results.get().set_events(new_client((*self).clone()));
        Ok(())
    }

    async fn configs(
        self: Rc<Self>,
        _: app::ConfigsParams,
        mut results: app::ConfigsResults,
    ) -> Result<(), Error> {
        results.get().set_configs(new_client((*self).clone()));
        Ok(())
    }
}

impl health::Server for Flood {
    async fn checks(
        self: Rc<Self>,
        _: health::ChecksParams,
        mut results: health::ChecksResults,
    ) -> Result<(), Error> {
        if self.shape()? == Shape::Nothings {
            answer_nothings!(results, (1, 0))?;
        }
        Ok(())
    }
}

impl levels::Server for Flood {
    async fn levels(
        self: Rc<Self>,
        _: levels::LevelsParams,
        mut results: levels::LevelsResults,
    ) -> Result<(), Error> {
        if self.shape()? == Shape::Nothings {
            answer_nothings!(results, (2, 1))?;
        }
        Ok(())
    }
}

impl configs::Server for Flood {
    async fn statuses(
        self: Rc<Self>,
        _: configs::StatusesParams,
        mut results: configs::StatusesResults,
    ) -> Result<(), Error> {
        if self.shape()? == Shape::Nothings {
            answer_nothings!(results, (1, 0))?;
        }
        Ok(())
    }
}

impl event_stream::Server for Flood {
    async fn next(
        self: Rc<Self>,
        _: event_stream::NextParams,
        mut results: event_stream::NextResults,
    ) -> Result<(), Error> {
        if self.shape()? == Shape::Nothings {
            answer_nothings!(results, (1, 0))?;
        }
        Ok(())
    }
}

impl text_reader::Server for Flood {
    async fn read(
        self: Rc<Self>,
        _: text_reader::ReadParams,
        mut results: text_reader::ReadResults,
    ) -> Result<(), Error> {
        match self.shape()? {
            Shape::Endless => results.get().set_piece("up 1\n".repeat(1000).as_bytes()),
            Shape::EndlessLine => results.get().set_piece("x".repeat(200_000).as_bytes()),
            _ => {}
        }
        Ok(())
    }
}

impl runtime::Server for Flood {
    async fn stack_dump(
        self: Rc<Self>,
        _: runtime::StackDumpParams,
        mut results: runtime::StackDumpResults,
    ) -> Result<(), Error> {
        if self.shape()? == Shape::Bomb {
            let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&vec![1; 16 * 1024 * 1024]).unwrap();
            results.get().set_stack_dump(&packed.finish().unwrap());
        }
        Ok(())
    }
}
