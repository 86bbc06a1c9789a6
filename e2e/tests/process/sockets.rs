//! Listeners that outlive the process: passed on by the process that starts it, kept by a service manager, or handed over.

mod handover;
mod inherited;
mod load;
mod passing;
mod refused;
mod restarts;
mod store;
