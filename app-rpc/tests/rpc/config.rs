//! Configs of servers and clients: every problem is reported at once, and a key is never shown.

use app_config::parse;
use app_rpc::{
    Authorities, ClientConfig, EndpointConfig, KeyPair, MaterialError, PemContent, RpcServerConfig,
};
use schema::rpc_capnp::{rpc_client_spec, rpc_server_spec};

use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::stand::{ENDPOINT, NAME, Spec};

fn good() -> Issued {
    AUTHORITY.issue(Leaf::server(&NAME.to_string()).serial(0x1a2b))
}

fn read(spec: &Spec<'_>) -> Result<RpcServerConfig, Vec<String>> {
    let mut content = Vec::new();
    app_config::codec::marshal(&spec.message(), &mut content).unwrap();
    let message = app_config::codec::unmarshal(&content[..]).unwrap();
    let config = parse::<EndpointConfig<{ ENDPOINT.as_u64() }>>(message);
    config
        .map(|config| config.0.unwrap())
        .map_err(|problems| problems.into_vec().iter().map(ToString::to_string).collect())
}

fn problems(server: &Issued, change: &dyn Fn(rpc_server_spec::Builder<'_>)) -> Vec<String> {
    read(&Spec { server, ca: &AUTHORITY.pem(), crl: "", change }).err().unwrap_or_default()
}

#[test]
fn a_good_config_is_what_it_says_and_has_defaults() {
    let crl = AUTHORITY.crl(&[1], 2100);
    let config = read(&Spec { server: &good(), ca: &AUTHORITY.pem(), crl: &crl, change: &|_| {} }).unwrap();
    assert_eq!((config.name, config.port), (NAME, 1));
    assert_eq!(config.limits, app_rpc::Limits::default());
    assert_eq!((config.max_connections, config.clients.crls()), (1024, 1));
    assert_eq!(config.key_pair.certificate().serial, "1a2b");
    assert_eq!(config.max_connection_age.as_secs(), 3600);
}

#[test]
fn every_problem_is_told_with_its_place() {
    let found = problems(&good(), &|mut spec| {
        spec.reborrow().get_rpc_service_spec().unwrap().set_domain_id(0);
        spec.reborrow().get_rpc_service_spec().unwrap().set_port(0);
        spec.reborrow().get_server_cert().unwrap().set_key(b"-----BEGIN nothing");
        spec.set_ca_cert(b"no PEM");
        spec.set_bind_address("localhost");
        spec.set_max_connection_age_seconds(0);
        spec.set_threads(1000);
        let mut limits = spec.reborrow().init_limits();
        limits.set_max_message_bytes(1);
        limits.set_max_queued_bytes(0);
        limits.set_max_client_memory_bytes(3);
        limits.set_max_memory_bytes(2);
        limits.set_stall_millis(0);
        let mut grants = spec.init_grants(2);
        grants.reborrow().get(0).set_name("a.test");
        grants.reborrow().get(1).set_name("A.test");
    });
    assert_eq!(
        found,
        [
            "rpcServiceSpec.domainID: must not be 0",
            "serverCert.key: block 1 (line 1) is not readable: line 1 looks like a BEGIN or END line, and is none; \
             it needs a line of its own, with five hyphens before and after",
            "caCert: must be certificates in PEM: it has no line -----BEGIN CERTIFICATE-----",
            "bindAddress: must be an IP address, such as 127.0.0.1 or ::1, found \"localhost\"",
            "grants[1].name: \"A.test\" has a grant already",
            "limits.maxMessageBytes: must be 4096 to 268435456, found 1",
            "limits.maxQueuedBytes: must be 1 or more, found 0",
            "limits.stallMillis: must be 1 or more, found 0",
            "limits.maxClientMemoryBytes: must be 0, or at least four times maxMessageBytes, found 3",
            "limits.maxMemoryBytes: must be 0, or at least what one client may take, found 2",
            "maxConnectionAgeSeconds: must be 1 or more, found 0",
            "threads: must be 0 to 256, found 1000",
        ]
    );
}

#[test]
fn keys_and_certificates_that_do_not_belong_together_or_here_are_refused() {
    let (one, other) = (good(), good());
    let mixed = Issued { key: other.key.clone(), ..one.clone() };
    assert_eq!(
        problems(&mixed, &|_| {}),
        ["serverCert.key: is not the key of the certificate; give the two that were made together"]
    );
    let client = AUTHORITY.issue(Leaf::client(&NAME.to_string()));
    let found = problems(&client, &|_| {});
    assert_eq!(
        found,
        ["serverCert.cert: may not be used by servers: its extended key usage lacks serverAuth"]
    );
    let elsewhere = AUTHORITY.issue(Leaf::server("elsewhere.test"));
    let found = problems(&elsewhere, &|_| {});
    assert_eq!(
        found,
        [format!("serverCert.cert: must have the name (DNS) {NAME}, found elsewhere.test").as_str()]
    );
    let nothing = Issued { cert: String::new(), key: String::new() };
    assert_eq!(
        problems(&nothing, &|_| {}),
        ["serverCert.key: has to be given", "serverCert.cert: has to be given"]
    );
    let found =
        problems(&good(), &|mut spec| spec.reborrow().get_rpc_service_spec().unwrap().set_service_id(7));
    assert!(found[0].starts_with("rpcServiceSpec.serviceId: must be 0xa5d07e1c3b94f826"), "{found:?}");
}

#[test]
fn what_is_damaged_is_refused_before_it_is_used() {
    let from_pem = |key: &str, cert: &str| KeyPair::from_pem(key.as_bytes(), cert.as_bytes()).err();
    let issued = good();
    let twice = format!("{0}{0}", issued.key);
    let of = |error: Option<MaterialError>| error.map(|error| (error.of(), error.to_string()));
    let expected = (PemContent::Key, "must be one private key; block 2 (line 6) is another".to_owned());
    assert_eq!(of(from_pem(&twice, &issued.cert)), Some(expected));
    let expected = (
        PemContent::Key,
        "block 1 (line 1) is a certificate; put it where certificates belong, and give a private key here"
            .to_owned(),
    );
    assert_eq!(of(from_pem(&issued.cert, &issued.cert)), Some(expected));
    let expected = (
        PemContent::Certificates,
        "block 1 (line 1) is a private key; remove it: a key belongs into the field or file for keys alone"
            .to_owned(),
    );
    assert_eq!(of(from_pem(&issued.key, &issued.key)), Some(expected));
    let long = issued.cert.repeat(9);
    assert_eq!(from_pem(&issued.key, &long), Some(MaterialError::ChainTooLong(9)));
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(from_pem(&issued.key, damaged), Some(MaterialError::CertificateDamaged(_))));
    let list = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let refused = Authorities::from_pem(AUTHORITY.pem().as_bytes(), list.as_bytes()).unwrap_err();
    assert!(matches!(refused, MaterialError::CrlDamaged(_)), "{refused}");
}

#[test]
fn no_key_is_shown() {
    let issued = good();
    let config = read(&Spec { server: &issued, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }).unwrap();
    let shown = format!("{config:#?}");
    assert!(shown.contains("1a2b") && shown.contains(&NAME.to_string()), "{shown}");
    let secret = issued.key.lines().nth(1).unwrap();
    assert!(!shown.contains("PRIVATE") && !shown.contains(secret), "{shown}");
}

fn client_config(
    change: &dyn Fn(rpc_client_spec::Builder<'_>),
) -> Result<ClientConfig<7>, app_config::Problems> {
    let issued = AUTHORITY.issue(Leaf::client("client.test"));
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<rpc_client_spec::Builder<'_>>();
    let mut name = spec.reborrow().init_rpc_service_spec();
    name.set_domain_id(1);
    name.set_app_id(2);
    name.set_service_id(3);
    name.set_port(4);
    let mut pair = spec.reborrow().init_client_cert();
    pair.set_key(issued.key.as_bytes());
    pair.set_cert(issued.cert.as_bytes());
    spec.set_ca_cert(Authority::new("of servers").pem().as_bytes());
    change(spec);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let message = app_config::codec::unmarshal(&content[..]).unwrap();
    parse::<ClientConfig<7>>(message)
}

fn client_problems(change: &dyn Fn(rpc_client_spec::Builder<'_>)) -> Vec<String> {
    client_config(change)
        .err()
        .map(|problems| problems.into_vec().iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

#[test]
fn a_client_connects_to_as_many_instances_as_either_name_of_the_limit_says() {
    for (earlier, now, most) in [(8, 64, 64), (8, 100, 100), (3, 64, 3), (500, 100, 500)] {
        let config = client_config(&|mut spec| {
            spec.set_max_connections(earlier);
            spec.set_max_instances(now);
        });
        let config = config.unwrap().0.unwrap();
        assert_eq!(config.max_connections, most);
        assert_eq!((config.retry_percent, config.retries_per_second), (20, 10));
        assert_eq!((config.eject_after_failures, config.eject_time.as_secs()), (5, 1));
    }
}

#[test]
fn a_client_that_asks_instances_for_their_addresses_needs_no_port() {
    let no_port = |spec: &mut rpc_client_spec::Builder<'_>| {
        spec.reborrow().get_rpc_service_spec().unwrap().set_port(0);
    };
    let config = client_config(&|mut spec| {
        no_port(&mut spec);
        spec.set_discover(true);
    });
    let config = config.unwrap().0.unwrap();
    assert!(config.discover && config.addresses.is_empty());
    for discover in [true, false] {
        let found = client_problems(&|mut spec| {
            no_port(&mut spec);
            spec.set_discover(discover);
            if discover {
                spec.init_addresses(1).set(0, "10.0.0.7");
            }
        });
        assert_eq!(
            found,
            [
                "rpcServiceSpec.port: must be 1 to 65535, unless each of `addresses` has a port, or `discover` finds all"
            ]
        );
    }
}

#[test]
fn a_clients_config_is_checked_too() {
    assert_eq!(client_problems(&|_| {}), Vec::<String>::new());
    let found = client_problems(&|mut spec| {
        spec.reborrow().get_client_cert().unwrap().set_cert(b"");
        spec.set_max_connections(0);
        spec.set_call_millis(0);
        spec.set_max_instances(1025);
        spec.set_retry_percent(101);
        spec.set_retries_per_second(1001);
        spec.set_eject_after_failures(1001);
        spec.set_eject_millis(0);
        let mut addresses = spec.init_addresses(8);
        let good = ["10.0.0.7", "10.0.0.7:44", "[fd00::7]:44", "::1", "d0_a0", "host.example:44"];
        for (index, address) in (0..).zip(good) {
            addresses.set(index, address);
        }
        addresses.set(6, "host:port");
        addresses.set(7, "two words");
    });
    assert_eq!(
        found,
        [
            "clientCert.cert: has to be given",
            "addresses[6]: must be a host or an IP address, with a port or without, found \"host:port\"",
            "addresses[7]: must be a host or an IP address, with a port or without, found \"two words\"",
            "maxConnections: must be 1 to 1024, found 0",
            "maxInstances: must be 1 to 1024, found 1025",
            "retryPercent: must be 0 to 100, found 101",
            "retriesPerSecond: must be 0 to 1000, found 1001",
            "ejectAfterFailures: must be 0 to 1000, found 1001",
            "ejectMillis: must be 1 to 600000, found 0",
            "callMillis: must be 1 or more, found 0",
        ]
    );
}
