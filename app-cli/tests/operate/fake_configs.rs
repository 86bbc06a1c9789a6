//! The configs of the fake admin interface.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use capnp::{Error, struct_list};
use schema::admin_capnp::{ConfigFile, config_status, configs};

use crate::fake::{App, HOSTILE, THEN};

/// Two configs: of `quota` and of `mail`. If they are bad, the file of `mail` is gone.
pub(crate) fn write(mut configs: struct_list::Builder<'_, config_status::Owned>, bad: bool) {
    let mut good = configs.reborrow().get(0);
    good.set_service_id(0xce1f);
    good.set_name("quota");
    good.set_from_file(true);
    good.set_taken(true);
    let mut mail = configs.get(1);
    mail.set_service_id(0xbeef);
    mail.set_name("mail");
    if bad {
        mail.set_problem(format!("relay: must be a host{HOSTILE}"));
        mail.set_from_file(true);
        mail.set_file(ConfigFile::Gone);
        mail.set_file_since_millis(THEN);
    }
}

impl configs::Server for App {
    async fn statuses(
        self: Rc<Self>,
        _: configs::StatusesParams,
        mut results: configs::StatusesResults,
    ) -> Result<(), Error> {
        write(results.get().init_configs(2), self.fake.not_ready.load(Ordering::SeqCst));
        Ok(())
    }
}
