//! What the service does with messages: it fills buckets, and answers what is left.

use app_core::prelude::*;
use app_messaging::{Answer, DeadLetter, Done, Messaging};
use quota_schema::quota_capnp::{refill, remaining_ask};

use crate::{Quota, Refill, Remaining};

/// Fills buckets, and answers what is left, until the service ends.
pub(crate) fn start(service: &Service, messaging: &Messaging, quota: &Quota) -> Result<(), Error> {
    let fills = quota.clone();
    // The name is where the fleet remembers how far it is, so it stays.
    messaging.consumer("refill").of::<Refill>().start(service, move |message| {
        let quota = fills.clone();
        async move {
            let read = |refill: refill::Reader<'_>| {
                Ok((refill.get_rule()?.to_string()?, refill.get_key()?.to_string()?))
            };
            let (rule, key) = message.read(read)?;
            match quota.refill(&rule, &key).await {
                Ok(()) => Ok(Done),
                // Trying again does not make the rule known.
                Err(error) if error.is(&errors::ILLEGAL_ARGUMENT) => Ok(DeadLetter(error.to_string())),
                Err(error) => Err(error),
            }
        }
    })?;
    let asked = quota.clone();
    messaging.responder::<Remaining>().start(service, move |ask| {
        let quota = asked.clone();
        async move {
            let read = |ask: remaining_ask::Reader<'_>| {
                Ok((ask.get_rule()?.to_string()?, ask.get_key()?.to_string()?))
            };
            let (rule, key) = ask.read(read)?;
            let remaining = quota.remaining(&rule, &key).await?;
            Ok(Answer::<Remaining>::new(|answer| answer.set_remaining(remaining)))
        }
    })
}
