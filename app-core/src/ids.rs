//! The ids that the kernel uses for itself.

use app_ids::ServiceId;

/// The id under which the app itself logs and raises errors, and that its own operations are `of`. No service has it.
pub const APP_SERVICE: ServiceId = ServiceId::new(0);
