//! Clients and servers on a network that does its worst, on paused time: what a call is said to have come to is what it came to.
//!
//! All of TLS, of the connections and of the client's pool is as it is; sockets, listeners and threads are not there. A run is made of
//! a number, its seed, which is told when it fails: `APP_RPC_SEED=7 cargo test -p app-rpc simulation` runs that one again,
//! `APP_RPC_SEEDS=500` as many from 0 on.

mod network;
mod wire;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::{Logger, ServiceId};
use app_core::testing::TestApp;
use app_ids::{AppId, DomainId};
use app_metrics::{METRICS_SERVICE_ID, Metrics};
use app_pki::{Authority, AuthorityOptions, ClientName, KeyKind, LeafOptions, Subject, Validity};
use parking_lot::Mutex;
use schema::quota_capnp::quota;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) use self::network::connect;
use self::network::{Network, Random, address};
use crate::client::{Pool, Setup, attempt, persevere};
use crate::server::{Counts, Meters, Simulated};
use crate::{
    Authorities, Bootstrap, CallError, CallFailure, KeyPair, RpcClientConfig, RpcName, RpcServerConfig,
};

const NAME: RpcName =
    RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: ServiceId::new(0x5e) };
const SERVERS: usize = 3;
const CALLS: u32 = 150;

/// How often each call was begun by a handler.
type Executed = Arc<Mutex<HashMap<u32, u32>>>;

/// Answers after a while with what it was asked, or fails.
struct Server(Executed);

impl quota::Server for Server {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let call = params.get_permits();
        *self.0.lock().entry(call).or_default() += 1;
        sleep(Duration::from_millis(u64::from(call % 7) * 40)).await;
        if call % 11 == 0 {
            return Err(capnp::Error::failed("on purpose".to_owned()));
        }
        results.get().set_remaining(call);
        Ok(())
    }
}

/// What all runs share.
struct Material {
    server: KeyPair,
    client: KeyPair,
    trust: Authorities,
    metrics: Metrics,
    log: Logger,
}

impl Material {
    /// With keys whose signatures have one size, so that a run breaks its connections at the same bytes each time.
    fn new(app: &TestApp) -> Self {
        let options = AuthorityOptions::new("simulated", Validity::days(60)).key(KeyKind::Ed25519);
        let authority = Authority::root(&options).unwrap();
        let leaf = LeafOptions::days(30).key(KeyKind::Ed25519);
        let pair = |subject: &Subject| {
            let issued = authority.issue(subject, &leaf).unwrap();
            KeyPair::from_pem(&issued.key, issued.certificate.as_bytes()).unwrap()
        };
        Self {
            server: pair(&Subject::Server(NAME)),
            client: pair(&Subject::Client(ClientName::new("client.test").unwrap())),
            trust: Authorities::from_pem(authority.root_pem().unwrap().as_bytes(), b"").unwrap(),
            metrics: Metrics::clone(&app.get::<Metrics>()),
            log: app.new_service(NAME.service, "simulated").log().clone(),
        }
    }

    fn server(&self, executed: &Executed) -> Simulated {
        let mut config = RpcServerConfig::new(NAME, self.server.clone(), self.trust.clone());
        config.max_connection_age = Duration::from_secs(4);
        config.limits.drain = Duration::from_millis(100);
        config.limits.stall = Duration::from_secs(2);
        let executed = Arc::clone(executed);
        let bootstrap = Bootstrap::new(move |_| -> quota::Client {
            capnp_rpc::new_client(Server(Arc::clone(&executed)))
        });
        let counts = Arc::new(Counts::new(Meters::register(&self.metrics, NAME.service).unwrap()));
        Simulated::new(config, bootstrap, counts, &self.log).unwrap()
    }

    fn pool(&self) -> (Rc<Pool>, watch::Sender<Arc<Setup>>) {
        let mut config = RpcClientConfig::new(NAME, 1, self.client.clone(), self.trust.clone());
        config.addresses = (0..SERVERS).map(|route| address(route).to_string()).collect();
        config.connect_timeout = Duration::from_secs(1);
        let (changes, setup) = watch::channel(Arc::new(Setup::new(config).unwrap()));
        (Pool::new(setup, watch::Sender::default(), self.log.clone()), changes)
    }
}

/// Makes a call, and says what came of it.
async fn call(pool: Rc<Pool>, number: u32, time: Duration) -> Result<u32, CallError> {
    let deadline = Instant::now() + time;
    let ask = |quota: quota::Client| async move {
        let mut request = quota.acquire_request();
        request.get().set_permits(number);
        Ok(request.send().promise.await?.get()?.get_remaining())
    };
    let outcome = persevere(deadline, || true, || attempt(&pool, NAME, &ask, sleep_until(deadline))).await;
    assert!(Instant::now() <= deadline + Duration::from_millis(1), "call {number} ended after its deadline");
    outcome
}

/// What happens to the servers and on the way to them, until it is told to be over.
async fn disturb(network: Rc<Network>, material: Rc<Material>, executed: Executed) {
    let random = Rc::clone(&network.random);
    loop {
        sleep(random.millis(50, 1500)).await;
        let route = usize::try_from(random.below(SERVERS as u64)).unwrap();
        match random.below(5) {
            0 => network.reset(route),
            1 | 2 => network.interrupt(route, random.millis(50, 4000)),
            how => {
                network.stop(route, how == 3);
                sleep(random.millis(1, 1000)).await;
                network.start(route, material.server(&executed));
            }
        }
    }
}

/// Whether that is what became of the call.
fn check(number: u32, outcome: &Result<u32, CallError>, executed: u32) {
    match outcome.as_ref().map_err(CallError::failure) {
        Ok(answer) => assert_eq!((*answer, executed), (number, 1), "call {number} was answered"),
        Err(CallFailure::Failed) => {
            assert_eq!((number % 11, executed), (0, 1), "call {number} failed: {outcome:?}");
        }
        Err(CallFailure::NotSent | CallFailure::Refused) => {
            assert_eq!(executed, 0, "call {number} was executed: {outcome:?}");
        }
        Err(CallFailure::MaybeExecuted) => {
            assert!(executed <= 1, "call {number} was executed {executed} times")
        }
    }
}

/// How many calls were answered, and how many connections that took.
async fn run(seed: u64, material: Rc<Material>) -> (usize, usize) {
    let (random, executed) = (Rc::new(Random::new(seed)), Executed::default());
    let servers = (0..SERVERS).map(|_| material.server(&executed)).collect();
    let network = Network::install(&random, servers);
    let (pool, _setup) = material.pool();
    let keeping = Rc::clone(&pool);
    let keeper = spawn_local(async move { keeping.run().await });
    let disturbing = spawn_local(disturb(Rc::clone(&network), Rc::clone(&material), Arc::clone(&executed)));
    let outcomes = Rc::<RefCell<Vec<_>>>::default();
    let mut calls: Vec<JoinHandle<()>> = Vec::new();
    for number in 1..=CALLS {
        let (pool, outcomes, time) = (Rc::clone(&pool), Rc::clone(&outcomes), random.millis(20, 3000));
        calls.push(spawn_local(async move {
            let outcome = call(pool, number, time).await;
            outcomes.borrow_mut().push((number, outcome));
        }));
        sleep(random.millis(0, 200)).await;
    }
    for call in calls {
        call.await.unwrap();
    }
    disturbing.abort();
    for route in 0..SERVERS {
        network.interrupt(route, Duration::ZERO);
        network.start(route, material.server(&executed));
    }
    // It goes on once all is well. Connections may still break by themselves.
    let last = CALLS + 1;
    let again = (0..20).map(|again| last + again).filter(|number| number % 11 != 0);
    let (mut made, mut answered) = (CALLS as usize, 0);
    for number in again {
        made += 1;
        let outcome = call(Rc::clone(&pool), number, Duration::from_secs(30)).await;
        answered += usize::from(outcome.is_ok());
        outcomes.borrow_mut().push((number, outcome));
    }
    assert!(answered >= 10, "only {answered} calls were answered when all was well again");
    pool.close("the simulation is over");
    keeper.abort();
    for route in 0..SERVERS {
        network.stop(route, true);
    }
    // Whatever was on its way has come by then.
    sleep(Duration::from_secs(60)).await;
    Network::uninstall();
    let executed = executed.lock();
    let outcomes = outcomes.borrow();
    assert_eq!(outcomes.len(), made, "each call ends once");
    for (number, outcome) in outcomes.iter() {
        check(*number, outcome, executed.get(number).copied().unwrap_or_default());
    }
    (outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count(), network.connections.get())
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

#[test]
fn what_a_call_is_said_to_have_come_to_is_what_it_came_to() {
    let beside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let app = beside.block_on(TestApp::with([METRICS_SERVICE_ID]));
    let material = Rc::new(beside.block_on(async { Material::new(&app) }));
    let seeds = match number_of("APP_RPC_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_of("APP_RPC_SEEDS").unwrap_or(4),
    };
    for seed in seeds {
        fastrand::seed(seed);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let running = std::panic::AssertUnwindSafe(|| {
            LocalSet::new().block_on(&runtime, run(seed, Rc::clone(&material)))
        });
        match std::panic::catch_unwind(running) {
            Ok((answered, connections)) => {
                println!("seed {seed}: {answered} calls were answered on {connections} connections");
                assert!(answered > 50, "seed {seed}: only {answered} calls were answered");
            }
            Err(_) => panic!("it was APP_RPC_SEED={seed}"),
        }
    }
    beside.block_on(app.stop()).expect_clean();
}
