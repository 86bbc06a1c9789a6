//! What travels beside a message: the deadline of a call, the trace that it belongs to, and the error of a call that failed.
//!
//! Cap'n Proto has no place for them. So they are in one more segment at the end of the message. No pointer refers to it, so
//! implementations that do not know it ignore it. The segment begins with [`MAGIC`]; then come entries:
//!
//! | bytes | meaning |
//! |---|---|
//! | 2 | the kind of the entry |
//! | 2 | 0 |
//! | 4 | the length of the value in bytes |
//! | the length, padded to whole words | the value |
//!
//! | kind | value |
//! |---|---|
//! | 1 | the time that is left for the call, in milliseconds: four bytes. It is relative, so clocks need not agree |
//! | 2 | the error of a failed call: a Cap'n Proto message with its segment table, whose root is the `Error` of `errors.capnp` |
//! | 3 | the caller's span, as in W3C Trace Context: 16 bytes of the trace, 8 bytes of the span, both most significant byte first; one byte of flags: 1 says that the trace is sampled, and 2 that this is the word of a peer that did not show who it is; then the tracestate, as text |
//!
//! Numbers are little-endian. Kinds that a reader does not know are skipped, and so are further entries of one kind. A segment that is
//! malformed or too long counts as absent: it never makes a call fail.

use std::cell::Cell;
use std::time::Duration;

use capnp::message::ReaderSegments;
use tokio::time::Instant;

/// The first word of the segment. It is random, so that no segment of another program begins with it.
pub(crate) const MAGIC: u64 = 0xd7e5_3a0c_91b4_f26d;

const WORD: usize = size_of::<u64>();

/// The longest segment that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// The most entries that are read.
const MAX_ENTRIES: usize = 16;

/// The longest error, in bytes.
pub(crate) const MAX_ERROR_BYTES: usize = 4096;

const DEADLINE: u16 = 1;
const ERROR: u16 = 2;
const TRACE: u16 = 3;

/// The length of a trace entry without tracestate.
const TRACE_BYTES: usize = 25;

/// The length of a segment with a deadline and a trace entry without tracestate.
const TRACED_BYTES: usize = 4 * WORD + TRACE_BYTES.next_multiple_of(WORD);

/// Flags of a trace entry.
const SAMPLED: u8 = 1;
const UNTRUSTED: u8 = 2;

/// The longest tracestate that is read, in bytes. What this platform sends has at most half of it.
const MAX_STATE_BYTES: usize = 1024;

tokio::task_local! {
    /// When the call that this task serves or makes has to be answered.
    static CALL_DEADLINE: Instant;
}

/// What a message of the peer says about its call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallExtra {
    pub(crate) deadline: Option<Instant>,
    pub(crate) caller: Option<CallerTrace>,
}

/// The span of a caller, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallerTrace {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) sampled: bool,
    /// Whether that was decided by the caller, or by a peer of the caller that showed who it is.
    pub(crate) trusted: bool,
    /// The tracestate. Empty if there is none.
    pub(crate) state: String,
}

thread_local! {
    /// What the message of the peer says that was read last on this thread.
    static READ: Cell<CallExtra> = const { Cell::new(CallExtra { deadline: None, caller: None }) };
}

/// When the caller of this handler stops waiting, if it told. Clients of this platform tell.
///
/// Use it in the handler of a call, before the first `spawn`: it belongs to the task of the handler. A call that an
/// [`RpcClient`](crate::RpcClient) makes in this task ends at this time, too. Pass it on to work in other tasks.
///
/// The server does not begin a call whose deadline has passed. It does not end one that runs: the client cancels it.
///
/// The interface that a [`Bootstrap`](crate::Bootstrap) returns has deadlines. Capabilities that a handler returns have none.
///
/// ```
/// # use std::time::Duration;
/// # use tokio::time::Instant;
/// /// When work for this call has to end.
/// fn work_until() -> Instant {
///     app_rpc::deadline().unwrap_or_else(|| Instant::now() + Duration::from_secs(10))
/// }
/// ```
#[must_use]
pub fn deadline() -> Option<Instant> {
    CALL_DEADLINE.try_with(|deadline| *deadline).ok()
}

/// The end of a call that begins now and may take this long. It is not after the deadline of the call that this task serves.
pub(crate) fn deadline_within(time: Duration) -> Instant {
    let end = Instant::now() + time;
    deadline().map_or(end, |outer| outer.min(end))
}

/// Runs a future with this [`deadline`].
pub(crate) fn with_deadline<F: Future>(deadline: Instant, future: F) -> impl Future<Output = F::Output> {
    CALL_DEADLINE.scope(deadline, future)
}

/// Runs a function with this [`deadline`].
pub(crate) fn within_deadline<T>(deadline: Instant, run: impl FnOnce() -> T) -> T {
    CALL_DEADLINE.sync_scope(deadline, run)
}

/// Notes what a message says that is being read. See [`read_by`].
pub(crate) fn note_read(extra: &CallExtra) {
    READ.set(extra.clone());
}

/// What the message says that `read` reads.
pub(crate) fn read_by(read: impl FnOnce()) -> CallExtra {
    READ.take();
    read();
    READ.take()
}

/// What came beside a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra<'a> {
    /// The time that is left for the call.
    pub(crate) remaining: Option<Duration>,
    /// The error of a failed call, not decoded.
    pub(crate) error: Option<&'a [u8]>,
    /// The span of the caller, not decoded.
    trace: Option<&'a [u8]>,
}

impl<'a> Extra<'a> {
    /// What came with a message of these segments.
    pub(crate) fn of(message: &'a impl ReaderSegments) -> Self {
        // The first segment has the root.
        let last = u32::try_from(message.len()).unwrap_or_default().checked_sub(1).filter(|last| *last > 0);
        let segment = last.and_then(|last| message.get_segment(last));
        segment.and_then(Self::parse).unwrap_or_default()
    }

    fn parse(segment: &'a [u8]) -> Option<Self> {
        let (magic, mut rest) = segment.split_first_chunk::<WORD>()?;
        if u64::from_le_bytes(*magic) != MAGIC || segment.len() > MAX_BYTES {
            return None;
        }
        let mut extra = Self::default();
        for _ in 0..MAX_ENTRIES {
            if rest.is_empty() {
                return Some(extra);
            }
            let (&[kind_low, kind_high, _, _, length @ ..], values) = rest.split_first_chunk::<WORD>()?;
            let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
            let (value, after) = values.split_at_checked(length.checked_next_multiple_of(WORD)?)?;
            let value = value.get(..length)?;
            match u16::from_le_bytes([kind_low, kind_high]) {
                DEADLINE if extra.remaining.is_none() => {
                    let millis = u32::from_le_bytes(value.try_into().ok()?);
                    extra.remaining = Some(Duration::from_millis(millis.into()));
                }
                ERROR if extra.error.is_none() && length <= MAX_ERROR_BYTES => extra.error = Some(value),
                TRACE if extra.trace.is_none() => extra.trace = Some(value),
                _ => {}
            }
            rest = after;
        }
        rest.is_empty().then_some(extra)
    }
}

impl Extra<'_> {
    /// The span of the caller. One that is too short counts as absent.
    pub(crate) fn caller(&self) -> Option<CallerTrace> {
        let (fixed, state) = self.trace?.split_first_chunk::<TRACE_BYTES>()?;
        let (trace, rest) = fixed.split_first_chunk()?;
        let (span, flags) = rest.split_first_chunk()?;
        let state = std::str::from_utf8(state).ok().filter(|state| state.len() <= MAX_STATE_BYTES);
        let state = state.unwrap_or_default().to_owned();
        let flags = *flags.first()?;
        let (sampled, trusted) = (flags & SAMPLED != 0, flags & UNTRUSTED == 0);
        Some(CallerTrace { trace: *trace, span: *span, sampled, trusted, state })
    }
}

/// The segment beside a call: its deadline, and the span that makes it. `None` if there is neither.
pub(crate) fn call_segment(deadline: Option<Instant>, caller: Option<&CallerTrace>) -> Option<CallSegment> {
    let deadline = deadline.map(deadline_segment);
    let Some(caller) = caller else { return deadline.map(CallSegment::Deadline) };
    let mut fixed = [0; TRACED_BYTES];
    let before = match deadline {
        Some(deadline) => put(&mut fixed, 0, &deadline),
        None => put(&mut fixed, 0, &MAGIC.to_le_bytes()),
    };
    let length = u32::try_from(TRACE_BYTES + caller.state.len()).ok()?;
    let header = put(&mut fixed, before, &entry(TRACE, length));
    let trace = put(&mut fixed, header, &caller.trace);
    let span = put(&mut fixed, trace, &caller.span);
    let sampled = if caller.sampled { SAMPLED } else { 0 };
    let flags = if caller.trusted { sampled } else { sampled | UNTRUSTED };
    let end = put(&mut fixed, span, &[flags]);
    if caller.state.is_empty() {
        return Some(CallSegment::Traced(fixed, end.next_multiple_of(WORD)));
    }
    let mut segment = Vec::with_capacity((end + caller.state.len()).next_multiple_of(WORD));
    segment.extend_from_slice(&fixed[..end]);
    segment.extend_from_slice(caller.state.as_bytes());
    segment.resize(segment.len().next_multiple_of(WORD), 0);
    Some(CallSegment::WithState(segment))
}

/// Writes bytes at a place. Returns the place after them.
fn put(segment: &mut [u8; TRACED_BYTES], at: usize, bytes: &[u8]) -> usize {
    segment[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

/// The segment beside a call.
pub(crate) enum CallSegment {
    Deadline([u8; 3 * WORD]),
    /// A span without a tracestate: the bytes and their number.
    Traced([u8; TRACED_BYTES], usize),
    WithState(Vec<u8>),
}

impl CallSegment {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Deadline(segment) => segment,
            Self::Traced(segment, length) => &segment[..*length],
            Self::WithState(segment) => segment,
        }
    }
}

/// The segment with this deadline. The time is rounded up: 0 means that none is left.
pub(crate) fn deadline_segment(deadline: Instant) -> [u8; 3 * WORD] {
    let remaining = deadline.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
    let millis = u32::try_from(remaining).unwrap_or(u32::MAX);
    let mut segment = [0; 3 * WORD];
    segment[..WORD].copy_from_slice(&MAGIC.to_le_bytes());
    segment[WORD..2 * WORD].copy_from_slice(&entry(DEADLINE, 4));
    segment[2 * WORD..2 * WORD + 4].copy_from_slice(&millis.to_le_bytes());
    segment
}

/// The segment with this encoded error. `None` if it is too long.
pub(crate) fn error_segment(error: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(error.len()).ok().filter(|_| error.len() <= MAX_ERROR_BYTES)?;
    let mut segment = Vec::with_capacity(2 * WORD + error.len().next_multiple_of(WORD));
    segment.extend_from_slice(&MAGIC.to_le_bytes());
    segment.extend_from_slice(&entry(ERROR, length));
    segment.extend_from_slice(error);
    segment.resize(segment.len().next_multiple_of(WORD), 0);
    Some(segment)
}

fn entry(kind: u16, length: u32) -> [u8; WORD] {
    let mut header = [0; WORD];
    header[..2].copy_from_slice(&kind.to_le_bytes());
    header[4..].copy_from_slice(&length.to_le_bytes());
    header
}

#[cfg(test)]
mod tests;
