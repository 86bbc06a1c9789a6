//! The time in which a certificate or a list is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::PkiError;

/// The last second of the year 9999, which is the last that a certificate can have.
const LAST_SECOND: u64 = 253_402_300_799;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The time in which a certificate or a list is valid. In certificates it has whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

impl Validity {
    /// How far before now a new validity begins: an hour, so that peers with a late clock accept the certificate at once.
    pub const BACKDATED: Duration = Duration::from_secs(3600);

    /// From now (see [`BACKDATED`](Self::BACKDATED)) for this many days.
    #[must_use]
    pub fn days(days: u32) -> Self {
        Self::days_from(SystemTime::now(), days)
    }

    /// From `now` (see [`BACKDATED`](Self::BACKDATED)) for this many days.
    #[must_use]
    pub fn days_from(now: SystemTime, days: u32) -> Self {
        let not_before = now.checked_sub(Self::BACKDATED).unwrap_or(UNIX_EPOCH);
        let last = UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
        let not_after = now.checked_add(DAY.saturating_mul(days)).unwrap_or(last).min(last);
        Self { not_before, not_after }
    }

    /// Whether this moment is in it.
    #[must_use]
    pub fn includes(&self, moment: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&moment)
    }

    /// The same validity, ending at `last` at the latest.
    #[must_use]
    pub fn until_at_most(self, last: SystemTime) -> Self {
        Self { not_after: self.not_after.min(last), ..self }
    }

    pub(super) fn check(&self) -> Result<(), PkiError> {
        let last = UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
        let good =
            self.not_before >= UNIX_EPOCH && self.not_before < self.not_after && self.not_after <= last;
        if good { Ok(()) } else { Err(PkiError::Validity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validity_begins_an_hour_early_and_stays_within_what_a_certificate_can_say() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let validity = Validity::days_from(now, 1);
        assert_eq!(now.duration_since(validity.not_before).unwrap(), Validity::BACKDATED);
        assert_eq!(validity.not_after, now + DAY);
        assert!(validity.includes(now) && !validity.includes(now + DAY * 2));
        assert_eq!(validity.check(), Ok(()));
        assert_eq!(Validity::days_from(now, u32::MAX).check(), Ok(()));
        let wrong = [
            Validity { not_before: now, not_after: now },
            Validity { not_before: now, not_after: now - DAY },
            Validity { not_before: UNIX_EPOCH - DAY, not_after: now },
            Validity { not_before: now, not_after: UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1) },
        ];
        for validity in wrong {
            assert_eq!(validity.check(), Err(PkiError::Validity), "{validity:?}");
        }
    }
}
