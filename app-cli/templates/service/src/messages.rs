//! The message that the service takes, the stream that stores it, and what the service does with it.

use app_core::prelude::*;
use app_messaging::{DeadLetter, Done, Messaging};

use crate::api_capnp::guest;
use crate::{MY_SERVICE, MyService};

/// How long messages are kept.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

app_messaging::message! {
    /// A guest is to be greeted.
    pub struct GreetGuest(guest::Owned);
    id: 0x9d00_0000_0000_0009, of: MY_SERVICE, name: "my_service_greet_guest", kind: Stored
}

app_messaging::stream! {
    /// The guests to greet.
    pub GUESTS: id 0x9d00_0000_0000_000a, of: MY_SERVICE, name: "my_service_guests",
    stores: [GreetGuest], max_age: WEEK
}

/// Greets guests until the service ends. A message is handled at least once, by one instance of all that run.
pub(crate) fn start(
    service: &Service,
    messaging: &Messaging,
    handle: &MyService,
) -> Result<(), Error> {
    let handle = handle.clone();
    // The name is where the instances remember how far they are, so it stays.
    let guests = messaging.consumer("guests").of::<GreetGuest>();
    guests.start(service, move |message| {
        let handle = handle.clone();
        async move {
            let name = message.read(|guest| Ok(guest.get_name()?.to_string()?))?;
            match handle.hello(&name).await {
                Ok(_) => Ok(Done),
                // Trying again does not make the name better.
                Err(error) if error.is(&errors::ILLEGAL_ARGUMENT) => {
                    Ok(DeadLetter(error.to_string()))
                }
                Err(error) => Err(error),
            }
        }
    })
}
