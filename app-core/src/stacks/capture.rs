//! Asking a thread for its stack: the signal, its handler, and the only unsafe code of the project.
//!
//! Invariants, to which the safety comments refer:
//!
//! 1. The handler only does what is allowed at any point of any thread. It uses system calls, its own stack, `errno` (which
//!    it restores), the atomics of [`slot`](super::slot), and the walk of invariant 2. It does not allocate, lock, use
//!    thread-local storage, or unwind.
//! 2. The walk is `_Unwind_Backtrace` (libgcc), which reads unwind tables and the stack. It finds the tables with
//!    `_dl_find_object`, which takes no lock (glibc 2.35 and libgcc 12, or newer). Before the first signal, a walk of the
//!    asking thread's own stack does the one-time set-up and binds the symbols.
//! 3. The walk uses `trace_unsynchronized`, never `trace`. `trace` takes the lock of the backtrace crate, which the
//!    interrupted thread may hold. That lock guards the cache of symbols, which a walk does not read.
//! 4. The slots are in a static. A handler that outlives its question or the dump writes to memory that still exists, and
//!    to a slot that no other question uses (`slot`, invariant 3).
//! 5. One thread at a time asks. It holds [`SESSION_LOCK`].
//!
//! Two risks remain:
//!
//! - With an older C library, the search for tables takes the loader's recursive lock. A thread that is interrupted between
//!   taking the lock and recording its owner hangs in its handler, and other threads can no longer load libraries or
//!   unwind. The asking thread still ends at its deadline.
//! - A damaged stack, or foreign code with wrong unwind tables, can make any unwinder read invalid memory.
//!
//! Thousands of dumps during allocations, panics, and starts and ends of threads showed neither.
#![allow(unsafe_code, reason = "signal handlers and stack walks need it; all of it is in this file")]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::slot::{Pool, Status};

/// The signal of a question. The module `stacks` says why it is this one.
pub(super) const SIGNAL: c_int = libc::SIGURG;

/// The bytes of stack that the handler needs besides the kernel's frame. 1.4 KiB were measured.
const HANDLER_STACK_BYTES: u64 = 4 * 1024;

static POOL: Pool = Pool::new();

/// Held by the asking thread (invariant 5).
static SESSION_LOCK: Mutex<()> = Mutex::new(());

/// The answer of a thread, or why there is none.
#[derive(Debug)]
pub(super) enum Answer {
    /// Addresses, innermost first. The first is where the thread was interrupted; the others are return addresses.
    Stack(Vec<usize>),
    /// The thread did not handle the signal before the deadline.
    Silent,
    /// The walk did not end before the deadline.
    Unfinished,
    /// The thread has ended.
    Ended,
    /// The signal could not be sent.
    Failed(io::Error),
    /// The deadline of the whole dump passed before the question.
    NotAsked,
}

/// The right to ask threads. One thread at a time has it.
pub(super) struct Session {
    _lock: MutexGuard<'static, ()>,
    pid: u32,
}

impl Session {
    /// Waits for other sessions, installs the handler, and sets up the unwinder.
    ///
    /// # Errors
    ///
    /// Another session lasts beyond the deadline, or other code handles the signal.
    pub(super) fn begin(deadline: Duration) -> io::Result<Self> {
        let lock = SESSION_LOCK.try_lock_for(deadline).ok_or_else(|| {
            io::Error::new(io::ErrorKind::TimedOut, "another dump of the threads is running; try again later")
        })?;
        install()?;
        walk(|_| true);
        Ok(Self { _lock: lock, pid: std::process::id() })
    }

    /// Asks one thread, which may be the calling one, and waits for its answer.
    pub(super) fn ask(&self, tid: i32, deadline: Duration) -> Answer {
        let Some((slot, question)) = POOL.ask(tid) else {
            return Answer::Failed(io::Error::other("too many threads are still walking their stacks"));
        };
        if let Err(error) = self.send(tid, SIGNAL) {
            slot.withdraw(question);
            return Answer::from_send_error(error);
        }
        let mut pauses = Pauses::new(deadline);
        loop {
            if slot.status(question) == Status::Done {
                return Answer::Stack(slot.frames());
            }
            if !pauses.pause() {
                break;
            }
            // Signal 0 only checks whether the thread exists. If the question can no longer be withdrawn, the thread
            // answered before it ended.
            if let Err(error) = self.send(tid, 0)
                && slot.withdraw(question)
            {
                return Answer::from_send_error(error);
            }
        }
        if slot.withdraw(question) {
            return Answer::Silent;
        }
        match slot.status(question) {
            Status::Done => Answer::Stack(slot.frames()),
            Status::Unanswered | Status::Writing => Answer::Unfinished,
        }
    }

    fn send(&self, tid: i32, signal: c_int) -> io::Result<()> {
        // As a raw system call, because older C libraries have no `tgkill`.
        // SAFETY: tgkill takes three integers. The handler of `SIGNAL` is installed (`begin`), and signal 0 sends nothing.
        // The process id prevents a signal to a thread of another process that reuses the thread id.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, self.pid, tid, signal) };
        if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Answer {
    fn from_send_error(error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ESRCH) { Self::Ended } else { Self::Failed(error) }
    }
}

/// Pauses of a wait that usually takes microseconds. They grow, so that a longer wait does not keep a processor busy.
struct Pauses {
    end: Instant,
    taken: u32,
}

impl Pauses {
    fn new(deadline: Duration) -> Self {
        Self { end: Instant::now() + deadline, taken: 0 }
    }

    /// Pauses. Returns `false`, without a pause, if the deadline has passed.
    fn pause(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        self.taken += 1;
        match self.taken {
            ..20 => std::thread::yield_now(),
            20..100 => std::thread::sleep(Duration::from_micros(50)),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
        true
    }
}

/// Makes [`answer`] the handler of the signal, unless it already is.
fn install() -> io::Result<()> {
    let ours = answer as *const () as libc::sighandler_t;
    match disposition(None)?.sa_sigaction {
        installed if installed == ours => return Ok(()),
        libc::SIG_DFL | libc::SIG_IGN => {}
        _ => return Err(io::Error::new(io::ErrorKind::AddrInUse, "the process already handles SIGURG")),
    }
    // SAFETY: sigaction is plain data, for which zeros are valid: an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = ours;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    if alternate_stack_is_large_enough() {
        action.sa_flags |= libc::SA_ONSTACK;
    }
    disposition(Some(&action)).map(drop)
}

/// Sets the action of the signal, if one is given. Returns the previous action.
fn disposition(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::zeroed();
    // SAFETY: both pointers are null or valid for the call. The only handler that is ever installed has the signature for
    // SA_SIGINFO, and may run anywhere (invariant 1).
    let done = unsafe { libc::sigaction(SIGNAL, new.map_or(ptr::null(), ptr::from_ref), old.as_mut_ptr()) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `old` was zeroed, which is valid, and then filled by the kernel.
    Ok(unsafe { old.assume_init() })
}

/// Whether the alternate stack that Rust gives to each of its threads has room for the handler.
///
/// On the alternate stack, even a thread that has nearly used up its own stack can answer. But it has only
/// `max(SIGSTKSZ, AT_MINSIGSTKSZ)` bytes (`stack_overflow` in the standard library), and the kernel's frame grows with the
/// vector registers of the processor. If too little is left, the handler runs on the thread's own stack.
fn alternate_stack_is_large_enough() -> bool {
    // SAFETY: getauxval has no preconditions, and returns 0 for an unknown value.
    let frame_bytes = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) };
    frame_bytes + HANDLER_STACK_BYTES <= libc::SIGSTKSZ as u64
}

/// The handler. If the current question is for this thread, walks the interrupted stack.
extern "C" fn answer(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the location of this thread's errno is valid as long as the thread runs.
    let errno = unsafe { *libc::__errno_location() };
    // As a raw system call, because the C library may have no wrapper, or one that reads thread-local storage.
    // SAFETY: gettid has no preconditions.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    if let Some(claim) = i32::try_from(tid).ok().and_then(|tid| POOL.claim(tid)) {
        // SAFETY: the kernel passes a valid context to a handler with SA_SIGINFO, and the context is not kept.
        let interrupted = unsafe { interrupted_at(context.cast::<libc::ucontext_t>()) };
        let mut reached = false;
        walk(|address| {
            // The frames up to here belong to the handler.
            if !reached && address == interrupted {
                reached = true;
                claim.restart();
            }
            // Some unwinders report a caller at 0 for the start of a thread.
            address == 0 || claim.push(address)
        });
        claim.publish();
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Calls `visit` with the address of each frame, innermost first, until `visit` returns `false`.
///
/// In the handler, `visit` must keep invariant 1.
fn walk(mut visit: impl FnMut(usize) -> bool) {
    // SAFETY: the caller of an unsynchronized trace must exclude other users of the shared state of the unwinder and the
    // crate. A walk uses no shared state (invariants 2 and 3).
    unsafe { backtrace::trace_unsynchronized(|frame| visit(frame.ip() as usize)) };
}

/// The address of the instruction at which the thread was interrupted. 0 for processors that are not supported.
///
/// # Safety
///
/// `context` must point to the context that the kernel passed to a handler that has not returned.
unsafe fn interrupted_at(context: *const libc::ucontext_t) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: by this function's contract.
    let address = unsafe { (*context).uc_mcontext.gregs[libc::REG_RIP as usize] } as usize;
    #[cfg(target_arch = "aarch64")]
    // SAFETY: by this function's contract.
    let address = unsafe { (*context).uc_mcontext.pc } as usize;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let address = {
        let _ = context;
        0
    };
    address
}
