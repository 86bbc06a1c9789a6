//! An application whose consumer gives up some of its messages. Tests of the dashboard look at what it keeps of them.

use app_core::prelude::*;
use app_messaging::{Done, Messaging, Retry};
use quota_schema::quota_capnp::quota_rule;

app_core::main! { link: [app_config, app_health, app_messaging, app_metrics, app_rpc, app_sealing] }
app_core::service! { id: LETTERS, name: "letters", start: start }
ids! { /// Consumes parcels.
pub LETTERS: ServiceId = 0xa1c4_5d0e_7b92_3f68, "letters"; }

app_messaging::message! {
    /// A parcel to deliver.
    pub struct Parcel(quota_rule::Owned);
    id: 0xb2d5_6e1f_8ca3_4079, of: LETTERS, name: "parcel", kind: Stored, key: |parcel| parcel.get_name()
}
app_messaging::stream! {
    /// Keeps parcels.
    pub PARCELS: id 0xc3e6_7f20_9db4_518a, of: LETTERS, name: "parcels", stores: [Parcel]
}

async fn start(service: Service, messaging: Dep<Messaging>) -> Result<(), Error> {
    let me = service.clone();
    // One at a time, so that the letters have the order of the parcels.
    let once = Retry::after(Duration::from_millis(1)).times(1);
    let consumer = messaging.consumer("deliverer").of::<Parcel>().max_in_flight(1).retry(once);
    consumer.start(&service, move |parcel| {
        let me = me.clone();
        async move {
            let to = parcel.read(|parcel| Ok(parcel.get_name()?.to_string()?))?;
            if to.starts_with("nowhere") {
                let told = format!("no street is called {to}");
                return Err(errors::SERVICE_NOT_AVAILABLE.error(me.id()).message(told).build());
            }
            Ok(Done)
        }
    })?;
    let parcels = messaging.sender::<Parcel>();
    for to in ["Main Street", "nowhere-1", "nowhere-2", "nowhere-3"] {
        parcels.send(|parcel| parcel.set_name(to)).await?;
    }
    Ok(())
}
