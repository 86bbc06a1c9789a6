//! Asking a thread for its stack: the signal, its handler, and the only unsafe code of the project.
//!
//! Invariants, which the safety comments refer to:
//!
//! 1. The handler does only what may be done at any point of any thread: system calls, its own stack,
//!    `errno` (restored), the atomics of [`slot`](super::slot), and the walk of invariant 2. It does not
//!    allocate, lock, touch thread-local storage, or unwind.
//! 2. The walk is `_Unwind_Backtrace` (libgcc). It reads unwind tables and the stack. It finds the tables by
//!    `_dl_find_object`, which takes no lock (glibc 2.35 and libgcc 12, or newer). Its one-time set-up and the
//!    binding of its symbols are done before the first signal, by a walk of the asking thread's own stack.
//! 3. `trace_unsynchronized` is used, never `trace`: the latter takes the lock of the backtrace crate, which
//!    the interrupted thread may hold. That lock guards the cache of symbols, which no walk reads.
//! 4. The slots live in a static: a handler that outlives the question, and the dump, writes to memory that
//!    is still there, and to a slot that is still its own (`slot`, invariant 3).
//! 5. Asking is done by one thread at a time, which holds [`TURN`].
//!
//! What remains: on an older C library the search takes the loader's lock, which is recursive, so a thread
//! interrupted in the few instructions between taking it and recording who did would hang in its handler,
//! and keep others from loading libraries and unwinding. A stack damaged by foreign code, or foreign
//! code with wrong unwind tables, can make any unwinder read where it must not. The asking thread is
//! safe from the first by its deadline, from the second nobody is. Measured: thousands of dumps
//! under allocation, panic and thread churn without either.
#![allow(unsafe_code, reason = "signal handlers and walking a stack can't be had without; all of it is here")]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::slot::{Pool, Status};

/// The signal that asks. Why this one: see the module above.
pub(super) const SIGNAL: c_int = libc::SIGURG;

/// What the handler needs of an alternate stack besides the kernel's frame, with room to spare: 1.4 KiB
/// were measured.
const HANDLER_STACK_BYTES: u64 = 4 * 1024;

static POOL: Pool = Pool::new();

/// Held by whoever asks (invariant 5).
static TURN: Mutex<()> = Mutex::new(());

/// What a thread said.
#[derive(Debug)]
pub(super) enum Answer {
    /// Return addresses, the innermost first; the first is where the thread was interrupted.
    Stack(Vec<usize>),
    /// The deadline passed, and the signal was not handled.
    Silent,
    /// The deadline passed during the walk.
    Unfinished,
    /// There is no such thread any more.
    Ended,
    /// The signal could not be sent.
    Failed(io::Error),
    /// The deadline of the whole dump passed before.
    NotAsked,
}

/// The right to ask threads, held by one thread at a time.
pub(super) struct Session {
    _turn: MutexGuard<'static, ()>,
    pid: u32,
}

impl Session {
    /// Waits for other sessions, installs the handler if it is not there, and gets the unwinder ready.
    ///
    /// # Errors
    ///
    /// Another session lasted beyond the deadline, or the signal is handled by somebody else.
    pub(super) fn begin(deadline: Duration) -> io::Result<Self> {
        let turn = TURN.try_lock_for(deadline).ok_or_else(|| {
            io::Error::new(io::ErrorKind::TimedOut, "another dump of the threads is being made")
        })?;
        install()?;
        walk(|_| true);
        Ok(Self { _turn: turn, pid: std::process::id() })
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
            // Signal 0 only asks whether the thread is still there. If the question can't be taken back, the
            // thread answered before it ended.
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
        // By its number: the wrapper is missing in older C libraries.
        // SAFETY: tgkill takes three integers. The handler of `SIGNAL` is installed (`begin`), and 0 sends
        // nothing. The process id keeps a thread id that was reused elsewhere from being hit.
        let sent = unsafe { libc::syscall(libc::SYS_tgkill, self.pid, tid, signal) };
        if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Answer {
    fn from_send_error(error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ESRCH) { Self::Ended } else { Self::Failed(error) }
    }
}

/// Waiting for something that usually takes microseconds, without keeping a processor busy when it does not.
struct Pauses {
    end: Instant,
    taken: u32,
}

impl Pauses {
    fn new(deadline: Duration) -> Self {
        Self { end: Instant::now() + deadline, taken: 0 }
    }

    /// False, without a pause, when the deadline has passed.
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

/// Makes [`answer`] the handler of the signal, unless it is.
fn install() -> io::Result<()> {
    let ours = answer as *const () as libc::sighandler_t;
    match disposition(None)?.sa_sigaction {
        installed if installed == ours => return Ok(()),
        libc::SIG_DFL | libc::SIG_IGN => {}
        _ => return Err(io::Error::new(io::ErrorKind::AddrInUse, "SIGURG already has another handler")),
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

/// Sets what the signal does, if an action is given; returns what it did before.
fn disposition(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::zeroed();
    // SAFETY: both pointers are null or valid for the call. The one handler that is ever installed has
    // the signature that SA_SIGINFO asks for, and may run anywhere (invariant 1).
    let done = unsafe { libc::sigaction(SIGNAL, new.map_or(ptr::null(), ptr::from_ref), old.as_mut_ptr()) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was zeroed, which is valid, and then filled in by the kernel.
    Ok(unsafe { old.assume_init() })
}

/// Whether the alternate stack that Rust gives to each of its threads has room for the handler.
///
/// On it, a thread that has nearly used up its own stack can answer too. But it is no larger than
/// `max(SIGSTKSZ, AT_MINSIGSTKSZ)` (std, `stack_overflow`), and the kernel's own frame grows with the vector registers
/// of the processor: where that leaves too little, the handler runs on the thread's own stack.
fn alternate_stack_is_large_enough() -> bool {
    // SAFETY: getauxval has no preconditions, and gives 0 for what the kernel does not tell.
    let frame_bytes = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) };
    frame_bytes + HANDLER_STACK_BYTES <= libc::SIGSTKSZ as u64
}

/// The handler: walks the stack that it interrupted, if the question of the moment is for this thread.
extern "C" fn answer(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the place of this thread's errno is valid as long as the thread runs.
    let errno = unsafe { *libc::__errno_location() };
    // By its number: the wrapper may be missing, and may read a thread-local copy.
    // SAFETY: gettid has no preconditions.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    if let Some(claim) = i32::try_from(tid).ok().and_then(|tid| POOL.claim(tid)) {
        // SAFETY: the kernel passes a valid context to a handler with SA_SIGINFO, and it is not kept.
        let interrupted = unsafe { interrupted_at(context.cast::<libc::ucontext_t>()) };
        let mut reached = false;
        walk(|address| {
            // What was walked so far is this handler's own.
            if !reached && address == interrupted {
                reached = true;
                claim.restart();
            }
            // Where a thread began, some unwinders report a caller at 0.
            address == 0 || claim.push(address)
        });
        claim.publish();
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Calls `visit` with the address of each frame, the innermost first, until it returns false.
///
/// `visit` must keep to invariant 1 where this runs in the handler.
fn walk(mut visit: impl FnMut(usize) -> bool) {
    // SAFETY: what "unsynchronized" leaves to the caller is exclusion from other users of the
    // unwinder's and the crate's shared state; a walk uses none (invariants 2 and 3).
    unsafe { backtrace::trace_unsynchronized(|frame| visit(frame.ip() as usize)) };
}

/// The instruction at which the thread was interrupted; 0 where this is not known for the processor.
///
/// # Safety
///
/// `context` points to the context that the kernel passed to a handler which has not returned.
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
