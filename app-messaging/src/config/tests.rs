//! What a config may say, and what it is told when it may not.

use capnp::message::{Builder, HeapAllocator};
use schema::messaging_capnp::{Provision, Storage};

use super::*;

fn spec(fill: impl FnOnce(messaging_spec::Builder<'_>)) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    fill(message.init_root());
    message
}

fn with_problems(message: &Builder<HeapAllocator>) -> (Option<MessagingConfig>, String) {
    let mut problems = Problems::new();
    let config = read::read(message.get_root_as_reader().unwrap(), &mut problems);
    (config, problems.to_string())
}

fn accepted(fill: impl FnOnce(messaging_spec::Builder<'_>)) -> MessagingConfig {
    let (config, problems) = with_problems(&spec(fill));
    assert_eq!(problems, "");
    config.unwrap()
}

fn refused(fill: impl FnOnce(messaging_spec::Builder<'_>)) -> String {
    let (_, problems) = with_problems(&spec(fill));
    assert_ne!(problems, "");
    problems
}

fn servers(mut spec: messaging_spec::Builder<'_>, addresses: &[&str]) {
    let mut list = spec.reborrow().init_servers(addresses.len() as u32);
    for (index, address) in (0..).zip(addresses) {
        list.set(index, *address);
    }
}

#[test]
fn a_config_that_only_names_servers_has_the_defaults_of_the_schema() {
    let config = accepted(|spec| servers(spec, &["nats://a", "nats://[2001:db8::1]:4223"]));
    let shown: Vec<_> = config.servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["nats://a:4222", "nats://[2001:db8::1]:4223"]);
    let default = MessagingConfig::without_file();
    assert_eq!(config.connect_timeout, default.connect_timeout);
    assert_eq!(config.send_timeout, default.send_timeout);
    assert_eq!(config.max_message_bytes, default.max_message_bytes);
    assert_eq!(config.max_waiting_acks, default.max_waiting_acks);
    assert_eq!(config.inbox_prefix, default.inbox_prefix);
    assert_eq!(config.publish_services, default.publish_services);
    assert!(!config.required && !config.in_process && config.tls.is_none());
    assert!(matches!(config.account, Account::None));
}

#[test]
fn an_address_says_what_is_wrong_with_it() {
    for (address, wrong) in [
        ("a:4222", "must begin with nats:// or tls://"),
        ("http://a", "must begin with nats:// or tls://"),
        ("nats://", "must have a host name"),
        ("nats://:4222", "must have a host name"),
        ("nats://a b", "must have a host name"),
        ("nats://a:0", "must have a port of 1 to 65535, or none"),
        ("nats://a:65536", "must have a port"),
        ("nats://a:", "must have a port"),
        ("nats://a:+1", "must have a port"),
        ("nats://[::1", "must close the bracket"),
        ("nats://[a]", "must have an IPv6 address"),
        ("nats://[::1]4222", "must have a port"),
    ] {
        let told = refused(|spec| servers(spec, &[address]));
        assert!(told.starts_with(&format!("servers[0]: {wrong}")), "{address}: {told}");
    }
    assert!(
        refused(|spec| servers(spec, &["nats://a", "nats://a:4222"]))
            .starts_with("servers[1]: must not be named twice")
    );
}

#[test]
fn a_password_in_an_address_is_refused_and_not_shown() {
    let told = refused(|spec| servers(spec, &["nats://joe:hunter2@a:4222"]));
    assert!(told.starts_with("servers[0]: must not have a user or a password; use the fields"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn there_is_a_place_for_messages_and_only_one() {
    assert!(refused(|_| ()).starts_with("servers: must name a server, unless inProcess is set"));
    let both = refused(|mut spec| {
        servers(spec.reborrow(), &["nats://a"]);
        spec.set_in_process(true);
    });
    assert!(both.starts_with("inProcess: must not be set together with servers"), "{both}");
}

const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

#[test]
fn an_account_is_proved_in_one_way() {
    let of = |fill: &dyn Fn(&mut messaging_spec::Builder<'_>)| {
        with_problems(&spec(|mut spec| {
            spec.set_in_process(true);
            fill(&mut spec);
        }))
    };
    let (config, none) = of(&|spec| spec.set_nkey_seed(SEED.as_bytes()));
    assert_eq!(none, "");
    assert!(matches!(config.unwrap().account, Account::NkeySeed(seed) if &*seed == SEED.as_bytes()));
    let (config, _) = of(&|spec| {
        spec.set_user("joe");
        spec.set_password("hunter2");
    });
    let shown = format!("{:?}", config.unwrap());
    assert!(shown.contains("joe") && !shown.contains("hunter2"), "{shown}");
    let (config, _) = of(&|spec| spec.set_token("t0ken"));
    assert!(!format!("{:?}", config.unwrap()).contains("t0ken"));
    assert!(of(&|spec| spec.set_user("joe")).1.starts_with("password: must not be empty"));
    assert!(of(&|spec| spec.set_password("x")).1.starts_with("user: must not be empty"));
    assert!(of(&|spec| spec.set_nkey_seed(b"SUX")).1.starts_with("nkeySeed: must be the seed of a user"));
    let two = of(&|spec| {
        spec.set_token("t0ken");
        spec.set_nkey_seed(SEED.as_bytes());
    });
    assert!(two.1.contains("at most one of") && !two.1.contains("t0ken"), "{}", two.1);
    let half = of(&|spec| spec.set_credentials(b"-----BEGIN NATS USER JWT-----"));
    assert!(half.1.starts_with("credentials: must have the blocks"), "{}", half.1);
    let file = |seed: &str| {
        format!(
            "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END"
        )
    };
    let (config, none) = of(&|spec| spec.set_credentials(file(SEED).as_bytes()));
    assert_eq!(none, "");
    assert!(matches!(config.unwrap().account, Account::Credentials(_)));
    let typo = of(&|spec| spec.set_credentials(file(&SEED.replace("AHUD", "AHUE")).as_bytes()));
    assert!(typo.1.contains("its checksum is wrong") && !typo.1.contains("UXKFS"), "{}", typo.1);
    let typo = of(&|spec| spec.set_nkey_seed(SEED.replace("AHUD", "AHUE").as_bytes()));
    assert!(typo.1.contains("its checksum is wrong") && !typo.1.contains("UXKFS"), "{}", typo.1);
}

#[test]
fn tls_needs_authorities() {
    let told = refused(|mut spec| {
        servers(spec.reborrow(), &["tls://a"]);
        spec.set_tls_first(true);
    });
    assert!(told.contains("servers: needs caCert") && told.contains("tlsFirst: needs caCert"), "{told}");
    let told = refused(|mut spec| {
        servers(spec.reborrow(), &["tls://a"]);
        spec.set_ca_cert(b"no certificate");
    });
    assert!(told.starts_with("caCert: "), "{told}");
}

#[test]
fn numbers_have_bounds() {
    let of = |fill: fn(&mut messaging_spec::Builder<'_>)| {
        refused(|mut spec| {
            spec.set_in_process(true);
            fill(&mut spec);
        })
    };
    assert_eq!(of(|spec| spec.set_connect_millis(0)), "connectMillis: must be 1 to 600000, found 0");
    assert_eq!(of(|spec| spec.set_send_millis(600_001)), "sendMillis: must be 1 to 600000, found 600001");
    assert_eq!(
        of(|spec| spec.set_max_message_bytes(1023)),
        "maxMessageBytes: must be 1024 to 67108864, found 1023"
    );
    assert_eq!(of(|spec| spec.set_max_waiting_acks(0)), "maxWaitingAcks: must be 1 to 65535, found 0");
    assert!(of(|spec| spec.set_inbox_prefix("a..b")).starts_with("inboxPrefix: must be tokens"));
    assert!(of(|spec| spec.set_inbox_prefix("a.*")).starts_with("inboxPrefix: must be tokens"));
    assert!(of(|spec| spec.set_domain("hub.leaf")).starts_with("domain: must be at most 64"));
}

#[test]
fn the_changes_that_need_a_start_are_named() {
    let config = |fill: fn(&mut messaging_spec::Builder<'_>)| {
        accepted(|mut spec| {
            servers(spec.reborrow(), &["nats://a"]);
            fill(&mut spec);
        })
    };
    let before = config(|_| ());
    assert_eq!(before.changes_for_the_next_start(&config(|spec| spec.set_token("t"))), Vec::<&str>::new());
    let after = config(|spec| {
        spec.set_required(true);
        spec.set_send_millis(1);
        spec.set_connect_millis(1);
    });
    assert_eq!(before.changes_for_the_next_start(&after), ["sendMillis", "required"]);
    let inside = accepted(|mut spec| spec.set_in_process(true));
    assert_eq!(before.changes_for_the_next_start(&inside), ["servers", "inProcess"]);
}

#[test]
fn a_stream_has_its_settings_once() {
    let config = accepted(|mut spec| {
        spec.set_in_process(true);
        spec.set_provision(Provision::Verify);
        let mut stream = spec.init_streams(1).get(0);
        stream.set_id(7);
        stream.set_replicas(3);
        stream.set_storage(Storage::Memory);
        stream.set_max_age_seconds(60);
        stream.set_max_bytes(1 << 20);
        stream.set_duplicate_window_seconds(10);
    });
    assert_eq!(config.provision, Provisioning::Verify);
    let settings = StreamSettings {
        replicas: Some(3),
        storage: Some(StreamStorage::Memory),
        max_age: Some(Duration::from_secs(60)),
        max_bytes: Some(1 << 20),
        duplicate_window: Some(Duration::from_secs(10)),
    };
    assert_eq!(config.streams, BTreeMap::from([(StreamId::new(7), settings)]));
    let told = refused(|mut spec| {
        spec.set_in_process(true);
        let mut streams = spec.init_streams(4);
        streams.reborrow().get(1).set_id(7);
        streams.reborrow().get(1).set_replicas(2);
        streams.reborrow().get(2).set_id(7);
        streams.reborrow().get(2).set_duplicate_window_seconds(9);
        streams.reborrow().get(3).set_id(8);
        streams.reborrow().get(3).set_max_age_seconds(10);
        streams.reborrow().get(3).set_duplicate_window_seconds(11);
    });
    for wrong in [
        "streams[0].id: must not be 0",
        "streams[1].replicas: must be 0, 1, 3 or 5, found 2",
        "streams[2].duplicateWindowSeconds: must be at least twice sendMillis, 10000 ms, found 9",
        "streams[2].id: must not be named twice, found 7",
        "streams[3].duplicateWindowSeconds: must not be above maxAgeSeconds, found 11",
    ] {
        assert!(told.contains(wrong), "{wrong}: {told}");
    }
}
