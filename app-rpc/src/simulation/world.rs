//! A calm network with servers that do what a test asks, and a client of them.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use app_errors::errors::ILLEGAL_ARGUMENT;
use parking_lot::Mutex;
use quota_schema::quota_capnp::quota;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::network::{Random, SimulatedNetwork, Weather, address};
use super::{Fixture, NAME, SimulatedClient, Way, simulated};
use crate::client::InstanceState;
use crate::resolve;
use crate::{Bootstrap, CallError, RpcClientConfig, RpcServerConfig};

/// The name of all servers together.
pub(super) const HOST: &str = "servers.test";

/// What a server does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    AfterMillis(u64),
    Fails,
    Panics,
    /// It refuses the arguments.
    RefusesArguments,
}

/// A server, on whatever route it is.
#[derive(Debug, Clone, Copy)]
struct Behaviour {
    answers: Answers,
    calls: u32,
}

type Behaviours = Arc<Mutex<Vec<Behaviour>>>;

struct Obedient {
    route: usize,
    behaviours: Behaviours,
}

impl quota::Server for Obedient {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        let answers = {
            let behaviour = &mut self.behaviours.lock()[self.route];
            behaviour.calls += 1;
            behaviour.answers
        };
        match answers {
            Answers::AfterMillis(millis) => sleep(Duration::from_millis(millis)).await,
            Answers::Fails => return Err(capnp::Error::failed("on purpose".to_owned())),
            Answers::Panics => panic!("on purpose"),
            Answers::RefusesArguments => {
                let illegal = ILLEGAL_ARGUMENT.error(NAME.service).message("on purpose").build();
                return Err(crate::exception(illegal));
            }
        }
        results.get().set_remaining(params.get()?.get_permits());
        Ok(())
    }
}

/// Servers on a calm network, and a client that finds them by a name.
pub(super) struct World {
    pub(super) network: Arc<SimulatedNetwork>,
    pub(super) client: Rc<SimulatedClient>,
    fixture: Rc<Fixture>,
    behaviours: Behaviours,
    change_server: Box<dyn Fn(&mut RpcServerConfig)>,
}

impl World {
    /// So many routes with a server on each. The name has the addresses of all.
    pub(super) fn new(seed: u64, way: Way, fixture: Rc<Fixture>, servers: usize) -> Self {
        Self::with(seed, way, fixture, servers, |_| {}, |_| {})
    }

    /// A world with other configs.
    pub(super) fn with(
        seed: u64,
        way: Way,
        fixture: Rc<Fixture>,
        servers: usize,
        change_client: impl FnOnce(&mut RpcClientConfig),
        change_server: impl Fn(&mut RpcServerConfig) + 'static,
    ) -> Self {
        let random = Arc::new(Random::new(seed));
        let none = (0..servers).map(|_| None).collect();
        let network = SimulatedNetwork::install(&random, Weather::Calm, none);
        let behaviour = Behaviour { answers: Answers::AfterMillis(5), calls: 0 };
        let behaviours = Arc::new(Mutex::new(vec![behaviour; servers]));
        set_name(&(0..servers).collect::<Vec<_>>());
        let client = SimulatedClient::start(&fixture, way, |config| {
            config.addresses = vec![HOST.to_owned()];
            change_client(config);
        });
        let world = Self { network, client, fixture, behaviours, change_server: Box::new(change_server) };
        (0..servers).for_each(|route| world.start(route));
        world
    }

    /// Starts a server on a route.
    pub(super) fn start(&self, route: usize) {
        let behaviours = Arc::clone(&self.behaviours);
        let bootstrap = Bootstrap::new(move |_| -> quota::Client {
            capnp_rpc::new_client(Obedient { route, behaviours: Arc::clone(&behaviours) })
        });
        self.network.start(route, self.fixture.server_with(bootstrap, &self.change_server));
    }

    /// Stops the server on a route, gracefully or not.
    pub(super) fn stop(&self, route: usize, gracefully: bool) {
        self.network.stop(route, gracefully);
    }

    /// What the server on a route does from now on.
    pub(super) fn answers(&self, route: usize, answers: Answers) {
        self.behaviours.lock()[route].answers = answers;
    }

    /// The calls that each server has begun.
    pub(super) fn calls(&self) -> Vec<u32> {
        self.behaviours.lock().iter().map(|behaviour| behaviour.calls).collect()
    }

    /// Waits until the client is connected to so many instances, in the way that its calls go.
    pub(super) async fn connected(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        let connected = || self.states().iter().filter(|state| **state != InstanceState::Connecting).count();
        while connected() != count {
            assert!(Instant::now() < until, "connected to {} of {count}", connected());
            sleep(Duration::from_millis(5)).await;
        }
        // Requests get their connections after a few.
        if self.client.way == Way::Request {
            for number in 0..20 {
                self.client.call(number, Duration::from_secs(10)).await.unwrap();
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    pub(super) fn states(&self) -> Vec<InstanceState> {
        self.client.instances.statuses().iter().map(|status| status.state).collect()
    }

    /// Lets so many callers make calls one after another until there were so many, each within this time. Returns the calls that each
    /// server has begun in between, and the errors.
    pub(super) async fn run(&self, callers: usize, calls: u32, time: Duration) -> (Vec<u32>, Vec<CallError>) {
        let (before, failures) = (self.calls(), Rc::<RefCell<Vec<CallError>>>::default());
        let next = Rc::new(RefCell::new(0..calls));
        let mut running = JoinSet::new();
        for _ in 0..callers {
            let (client, next, failures) = (Rc::clone(&self.client), Rc::clone(&next), Rc::clone(&failures));
            running.spawn_local(async move {
                loop {
                    let Some(number) = next.borrow_mut().next() else { return };
                    match client.call(number, time).await {
                        Ok(answer) => assert_eq!(answer, number),
                        Err(failed) => failures.borrow_mut().push(failed),
                    }
                }
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        let made = self.calls().iter().zip(before).map(|(now, before)| now - before).collect();
        (made, failures.take())
    }

    /// Ends the world. The counts of the client must be those of its instances until then.
    pub(super) async fn end(self) {
        let mut states = [0; 3];
        self.states().iter().for_each(|state| states[*state as usize] += 1);
        assert_eq!(self.client.instances.counts.shown(), states, "connecting, connected, ejected");
        let in_flight =
            self.client.instances.statuses().iter().map(|status| status.calls_in_flight).sum::<u32>();
        assert_eq!(in_flight, 0, "each call was counted off");
        self.client.stop();
        for route in 0..self.calls().len() {
            self.network.stop(route, false);
        }
        sleep(Duration::from_secs(20)).await;
        simulated::uninstall();
    }
}

/// From now on the name has the addresses of these routes.
pub(super) fn set_name(routes: &[usize]) {
    let addresses: Vec<IpAddr> = routes.iter().map(|route| address(*route).ip()).collect();
    resolve::simulated::set(HOST, Some(addresses));
}

/// The part that each server has of these calls: 1 is as many as the others.
pub(super) fn shares(calls: &[u32]) -> Vec<f64> {
    let fair = f64::from(calls.iter().sum::<u32>()) / f64::from(u32::try_from(calls.len()).unwrap());
    calls.iter().map(|calls| f64::from(*calls) / fair).collect()
}
