//! Clients and servers on a simulated network with many faults, on paused time. Each call and each request must end with the outcome
//! that it really had.
//!
//! TLS, connections and the client's pools are the real ones. Sockets, listeners and threads are missing. A seed decides what the network
//! and the servers do, and a failure names its seed. `APP_RPC_SEED=7 cargo test -p app-rpc simulation` repeats one seed,
//! `APP_RPC_SEEDS=500` runs the seeds from 0 to 499.

mod coming_back;
mod faults;
mod network;
mod spread;
mod stream;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::{Service, ServiceId};
use app_core::testing::TestApp;
use app_errors::errors::ILLEGAL_ARGUMENT;
use app_ids::{AppId, DomainId};
use app_metrics::{METRICS_SERVICE_ID, Metrics};
use app_pki::{Authority, AuthorityOptions, ClientName, KeyKind, LeafOptions, Subject, Validity};
use parking_lot::Mutex;
use quota_schema::quota_capnp::quota;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use self::network::{PORT, Random, SimulatedNetwork, Weather, address};
use crate::client::{
    ClientCounts, FailedAttempt, Instances, Pool, RequestOutcome, RequestPool, Retries, Setup, attempt,
    request_once, retry, simulated,
};
use crate::server::{Counts, Meters, Simulated};
use crate::{
    Authorities, Bootstrap, CallError, CallFailure, KeyPair, RpcClientConfig, RpcName, RpcServerConfig,
};

const NAME: RpcName =
    RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: ServiceId::new(0x5e) };
const SERVERS: usize = 3;
const CALLS: u32 = 150;

/// How often a handler began each call.
type Executed = Arc<Mutex<HashMap<u32, u32>>>;

/// Answers after a while with the number of the call, or fails.
struct NumberServer(Executed);

impl quota::Server for NumberServer {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let call = params.get_permits();
        *self.0.lock().entry(call).or_default() += 1;
        assert!(
            crate::deadline().is_some_and(|deadline| deadline > Instant::now()),
            "call {call} began late"
        );
        sleep(Duration::from_millis(u64::from(call % 7) * 40)).await;
        if call % 11 == 0 {
            return Err(crate::exception(ILLEGAL_ARGUMENT.error(NAME.service).message("on purpose").build()));
        }
        results.get().set_remaining(call);
        Ok(())
    }
}

/// What all runs share.
struct Fixture {
    server: KeyPair,
    client: KeyPair,
    trust: Authorities,
    metrics: Metrics,
    service: Service,
}

impl Fixture {
    /// All signatures of its keys have one length, so a run breaks its connections at the same bytes each time.
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
            service: app.new_service(NAME.service, "simulated"),
        }
    }

    fn server(&self, executed: &Executed) -> Simulated {
        let executed = Arc::clone(executed);
        let bootstrap = Bootstrap::new(move |_| -> quota::Client {
            capnp_rpc::new_client(NumberServer(Arc::clone(&executed)))
        });
        self.server_with(bootstrap, |config| {
            config.max_connection_age = Duration::from_secs(4);
            config.limits.drain = Duration::from_millis(100);
            config.limits.stall = Duration::from_secs(2);
        })
    }

    fn server_with(&self, bootstrap: Bootstrap, change: impl FnOnce(&mut RpcServerConfig)) -> Simulated {
        let mut config = RpcServerConfig::new(NAME, self.server.clone(), self.trust.clone());
        change(&mut config);
        let counts = Arc::new(Counts::new(Meters::register(&self.metrics, NAME.service).unwrap()));
        Simulated::new(config, bootstrap, counts, self.service.log()).unwrap()
    }
}

/// How a client makes its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As `RpcClient::call_by`.
    Call,
    /// As `RpcClient::request_by`.
    Request,
}

/// The parts of an `RpcClient`, all on one thread.
struct SimulatedClient {
    way: Way,
    pool: Rc<Pool>,
    requests: Arc<RequestPool>,
    tasks: [JoinHandle<()>; 2],
    /// Requests that ended on a request connection.
    direct: Cell<usize>,
    idempotent: Cell<bool>,
    instances: Arc<Instances>,
    setup: watch::Sender<Arc<Setup>>,
    config: RpcClientConfig,
}

impl SimulatedClient {
    fn start(fixture: &Fixture, way: Way, change: impl FnOnce(&mut RpcClientConfig)) -> Rc<Self> {
        let mut config = RpcClientConfig::new(NAME, PORT, fixture.client.clone(), fixture.trust.clone());
        config.addresses = (0..SERVERS).map(|route| address(route).to_string()).collect();
        change(&mut config);
        let (setup, setups) = watch::channel(Arc::new(Setup::new(config.clone()).unwrap()));
        let log = fixture.service.log().clone();
        let instances = Instances::new(setups.clone(), ClientCounts::default(), log.clone());
        let pool = Pool::new(setups.clone(), Arc::clone(&instances), log);
        let requests = Arc::new(RequestPool::new(fixture.service.clone(), Arc::clone(&instances)));
        let (calling, requesting) = (Rc::clone(&pool), Arc::clone(&requests));
        let tasks = [
            spawn_local(async move { calling.run().await }),
            spawn_local(async move { requesting.keep(setups).await }),
        ];
        let (direct, idempotent) = (Cell::new(0), Cell::new(false));
        Rc::new(Self { way, pool, requests, tasks, direct, idempotent, instances, setup, config })
    }

    /// As `RpcClient::reconfigure`.
    fn reconfigure(&self, change: impl FnOnce(&mut RpcClientConfig)) {
        let mut config = self.config.clone();
        change(&mut config);
        self.setup.send_replace(Arc::new(Setup::new(config).unwrap()));
    }

    /// Makes a call and returns its outcome.
    async fn call(&self, number: u32, time: Duration) -> Result<u32, CallError> {
        let deadline = Instant::now() + time;
        let outcome = match self.way {
            Way::Call => self.call_by(number, deadline, None).await,
            Way::Request => self.request_by(number, deadline).await,
        };
        assert!(
            Instant::now() <= deadline + Duration::from_millis(1),
            "call {number} ended after its deadline: {outcome:?}"
        );
        outcome
    }

    async fn call_by(
        &self,
        number: u32,
        deadline: Instant,
        failed: Option<FailedAttempt>,
    ) -> Result<u32, CallError> {
        let call = |quota: quota::Client| async move {
            let mut request = quota.acquire_request();
            request.get().set_permits(number);
            Ok(request.send().promise.await?.get()?.get_remaining())
        };
        let retries = Retries { deadline, idempotent: self.idempotent.get() };
        let attempt = |avoid| attempt(&self.pool, NAME, &call, deadline, avoid);
        retry(&self.instances, retries, || true, failed, attempt).await
    }

    async fn request_by(&self, number: u32, deadline: Instant) -> Result<u32, CallError> {
        let build = move |quota: &quota::Client| {
            let mut request = quota.acquire_request();
            request.get().set_permits(number);
            request
        };
        let read = |results: quota::acquire_results::Reader<'_>| Ok(results.get_remaining());
        let failed = match request_once(&self.requests, NAME, deadline, &build, &read).await {
            RequestOutcome::Answered(answer) => {
                self.direct.set(self.direct.get() + 1);
                return Ok(answer);
            }
            RequestOutcome::Failed(failed) => Some(failed),
            RequestOutcome::NotTaken => None,
        };
        self.call_by(number, deadline, failed).await
    }

    fn stop(&self) {
        self.requests.close("the simulation ends");
        self.pool.close("the simulation ends");
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Disturbs the servers and the routes to them, until it is aborted.
async fn disturb(network: Arc<SimulatedNetwork>, fixture: Rc<Fixture>, executed: Executed) {
    let random = Arc::clone(&network.random);
    loop {
        sleep(random.millis(50, 1500)).await;
        let route = usize::try_from(random.below(SERVERS as u64)).unwrap();
        match random.below(5) {
            0 => network.reset(route),
            1 | 2 => network.interrupt(route, random.millis(50, 4000)),
            how => {
                network.stop(route, how == 3);
                sleep(random.millis(1, 1000)).await;
                network.start(route, fixture.server(&executed));
            }
        }
    }
}

/// Checks that the outcome is what really became of the call.
fn check(number: u32, outcome: &Result<u32, CallError>, executed: u32) {
    match outcome.as_ref().map_err(CallError::failure) {
        Ok(answer) => assert_eq!((*answer, executed), (number, 1), "call {number} was answered"),
        Err(CallFailure::Failed) => {
            assert_eq!((number % 11, executed), (0, 1), "call {number} failed: {outcome:?}");
            let failed = outcome.as_ref().unwrap_err();
            assert!(failed.is(&ILLEGAL_ARGUMENT), "the error of call {number} lost its id: {failed}");
        }
        Err(CallFailure::NotSent | CallFailure::Refused) => {
            assert_eq!(executed, 0, "call {number} was executed: {outcome:?}");
        }
        Err(CallFailure::MaybeExecuted) => {
            assert!(executed <= 1, "call {number} was executed {executed} times")
        }
    }
}

/// What happened in a run.
struct Summary {
    answered: usize,
    /// Requests that ended on a request connection.
    direct: usize,
    connections: usize,
}

async fn run(seed: u64, way: Way, fixture: Rc<Fixture>) -> Summary {
    let (random, executed) = (Arc::new(Random::new(seed)), Executed::default());
    let servers = (0..SERVERS).map(|_| Some(fixture.server(&executed))).collect();
    let network = SimulatedNetwork::install(&random, Weather::Stormy, servers);
    let client = SimulatedClient::start(&fixture, way, |config| {
        config.connect_timeout = Duration::from_secs(1);
        config.limits.stall = Duration::from_secs(2);
    });
    let disturbing = spawn_local(disturb(Arc::clone(&network), Rc::clone(&fixture), Arc::clone(&executed)));
    let outcomes = Rc::<RefCell<Vec<_>>>::default();
    let mut calls: Vec<JoinHandle<()>> = Vec::new();
    for number in 1..=CALLS {
        let (client, outcomes, time) = (Rc::clone(&client), Rc::clone(&outcomes), random.millis(20, 3000));
        calls.push(spawn_local(async move {
            let outcome = client.call(number, time).await;
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
        network.start(route, fixture.server(&executed));
    }
    // Calls work again once the faults are over. Connections may still break by themselves.
    let last = CALLS + 1;
    let again = (0..20).map(|again| last + again).filter(|number| number % 11 != 0);
    let (mut made, mut answered) = (CALLS as usize, 0);
    for number in again {
        made += 1;
        let outcome = client.call(number, Duration::from_secs(30)).await;
        answered += usize::from(outcome.is_ok());
        outcomes.borrow_mut().push((number, outcome));
    }
    assert!(answered >= 10, "only {answered} calls were answered after the faults");
    client.stop();
    for route in 0..SERVERS {
        network.stop(route, true);
    }
    // By then, all bytes under way have arrived and all tasks have ended.
    sleep(Duration::from_secs(60)).await;
    simulated::uninstall();
    let executed = executed.lock();
    let outcomes = outcomes.borrow();
    assert_eq!(outcomes.len(), made, "each call ends once");
    for (number, outcome) in outcomes.iter() {
        check(*number, outcome, executed.get(number).copied().unwrap_or_default());
    }
    Summary {
        answered: outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count(),
        direct: client.direct.get(),
        connections: network.connections(),
    }
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

/// Runs it with each of these seeds, on paused time. `APP_RPC_SEED` is the only seed, `APP_RPC_SEEDS` is how many there are.
fn each_seed<F: Future>(seeds: u64, run: impl Fn(u64, Rc<Fixture>) -> F) -> Vec<F::Output> {
    let beside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let app = beside.block_on(TestApp::with([METRICS_SERVICE_ID]));
    let fixture = Rc::new(beside.block_on(async { Fixture::new(&app) }));
    let seeds = match number_of("APP_RPC_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_of("APP_RPC_SEEDS").unwrap_or(seeds),
    };
    let mut outcomes = Vec::new();
    for seed in seeds {
        fastrand::seed(seed);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let running = std::panic::AssertUnwindSafe(|| {
            LocalSet::new().block_on(&runtime, run(seed, Rc::clone(&fixture)))
        });
        match std::panic::catch_unwind(running) {
            Ok(outcome) => outcomes.push(outcome),
            Err(_) => panic!("the run failed, repeat it with APP_RPC_SEED={seed}"),
        }
    }
    beside.block_on(app.stop()).expect_clean();
    outcomes
}

/// Runs all seeds with faults. Returns the number of requests that ended on a request connection, over all seeds, and the number of seeds.
fn run_seeds(way: Way) -> (usize, usize) {
    let runs = each_seed(4, |seed, fixture| async move {
        let run = run(seed, way, fixture).await;
        println!(
            "seed {seed}: {} calls were answered on {} connections, {} of them ended on a request connection",
            run.answered, run.connections, run.direct
        );
        assert!(run.answered > 50, "seed {seed}: only {} calls were answered", run.answered);
        run
    });
    (runs.iter().map(|run| run.direct).sum(), runs.len())
}

#[test]
fn each_call_ends_with_the_outcome_that_it_really_had() {
    let (direct, _) = run_seeds(Way::Call);
    assert_eq!(direct, 0);
}

#[test]
fn each_request_ends_with_the_outcome_that_it_really_had() {
    let (direct, seeds) = run_seeds(Way::Request);
    assert!(direct >= 40 * seeds, "only {direct} requests of {seeds} runs ended on a request connection");
}
