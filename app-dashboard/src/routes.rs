//! The paths of the server.
//!
//! | path | what |
//! |---|---|
//! | `GET /` and files | the page |
//! | `POST /session` | exchanges a token for a session |
//! | `GET /api/fleet` | the rows of the fleet page |
//! | `GET /api/stream` | the event stream of a page |
//! | `GET /api/apps/{key}/points` | values of metrics |
//! | `GET /api/apps/{key}/operation` | the schemas of an operation |
//! | `POST /api/apps/{key}/change`, `/call`, `/stacks` | changes something, calls an operation, reads all stacks |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::apps::{Answer, Problem, ProblemKind, Question};
use crate::fleet::Fleet;
use crate::guard::{self, Guard, text};
use crate::sessions::Tokens;
use crate::stream::{self, Wanted};
use crate::watch::{Topic, Watched};
use crate::{assets, changes, parse};

/// Most streams. A page has one.
const MOST_STREAMS: usize = 32;
/// Largest body: the arguments of an operation, 1 MiB, and the rest.
const MOST_BODY: usize = 1024 * 1024 + 64 * 1024;
/// Time for a client to send its body.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Time for an app to answer.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Most metrics in one request.
const MOST_METRICS: usize = 64;

#[derive(Clone)]
struct Served {
    fleet: Fleet,
    tokens: Tokens,
    streams: Arc<Semaphore>,
}

type Answered = Result<Response, Response>;

/// All paths, behind the guard.
pub(crate) fn router(guard: Guard, fleet: Fleet, tokens: Tokens) -> Router {
    let shared = Served { fleet, tokens, streams: Arc::new(Semaphore::new(MOST_STREAMS)) };
    let mut router = Router::new()
        .route("/session", post(session))
        .route("/api/fleet", get(rows))
        .route("/api/stream", get(open_stream))
        .route("/api/apps/{key}/points", get(points))
        .route("/api/apps/{key}/operation", get(operation))
        .route("/api/apps/{key}/change", post(change))
        .route("/api/apps/{key}/call", post(call))
        .route("/api/apps/{key}/stacks", post(stacks));
    for asset in assets::ASSETS {
        router = router.route(
            asset.path,
            get(async |uri: Uri, headers: HeaderMap| assets::answer(uri.path(), &headers)),
        );
    }
    router
        .fallback(async || text(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async |method: Method| {
            text(StatusCode::METHOD_NOT_ALLOWED, &format!("{method} is not for this path"))
        })
        .with_state(shared)
        .layer(from_fn_with_state(guard, guard::check))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    token: String,
}

async fn session(State(shared): State<Served>, request: Request) -> Answered {
    let body = body(request, 1024).await?;
    let body: TokenBody =
        serde_json::from_slice(&body).map_err(|error| bad(&format!("the body: {error}")))?;
    match shared.tokens.exchange(&body.token) {
        Ok(Some(session)) => Ok(json_answer(StatusCode::OK, &json!({ "session": session }))),
        Ok(None) => Err(text(
            StatusCode::UNAUTHORIZED,
            "the token was used, or is older than a minute; press Enter where appctl dashboard runs for a new one",
        )),
        Err(error) => Err(text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())),
    }
}

async fn rows(State(shared): State<Served>) -> Answered {
    let (apps, problem) = shared.fleet.rows().await.map_err(|problem| refused(&problem))?;
    #[derive(Serialize)]
    struct Rows<T> {
        apps: T,
        /// Why the list of apps is old.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<Problem>,
    }
    Ok(json_answer(StatusCode::OK, &Rows { apps, problem }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamQuery {
    #[serde(default)]
    app: Option<String>,
    topics: String,
}

async fn open_stream(State(shared): State<Served>, query: QueryOf<StreamQuery>) -> Answered {
    let Query(query) = parsed(query).map_err(|answer| *answer)?;
    let mut topics = Vec::new();
    for name in query.topics.split(',') {
        let topic = Topic::ALL.into_iter().find(|topic| topic.name() == name);
        let topic = topic.ok_or_else(|| bad("topics: there is no such topic"))?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    if query.app.is_none() && topics != [Topic::Summary] {
        return Err(bad("topics: of the fleet there is only the summary; name an app"));
    }
    if let Some(key) = &query.app {
        instance(&shared, key).await?;
    }
    let Ok(slot) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return Err(text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open; close some"));
    };
    Ok(stream::answer(shared.fleet, Wanted { key: query.app, topics }, slot))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointsQuery {
    names: String,
    #[serde(default)]
    after: i64,
}

async fn points(
    State(shared): State<Served>,
    Path(key): Path<String>,
    query: QueryOf<PointsQuery>,
) -> Answered {
    let Query(query) = parsed(query).map_err(|answer| *answer)?;
    let watched = instance(&shared, &key).await?;
    let names: Vec<_> = query.names.split(',').take(MOST_METRICS).collect();
    let points = watched.board.lock().history.points(&names, query.after);
    Ok(json_answer(StatusCode::OK, &points))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationQuery {
    service: String,
    name: String,
}

async fn operation(
    State(shared): State<Served>,
    Path(key): Path<String>,
    query: QueryOf<OperationQuery>,
) -> Answered {
    let Query(query) = parsed(query).map_err(|answer| *answer)?;
    let id = parse::hex_or_zero(&query.service).map_err(|why| bad(&format!("service: {why}")))?;
    let question = Question::Describe { service: app_core::prelude::ServiceId::new(id), name: query.name };
    ask(&shared, &key, question, ANSWER_TIME).await
}

async fn change(State(shared): State<Served>, Path(key): Path<String>, request: Request) -> Answered {
    let body = body(request, 64 * 1024).await?;
    let change = changes::change(&body).map_err(|why| bad(&why))?;
    ask(&shared, &key, Question::Change(change), ANSWER_TIME).await
}

async fn call(State(shared): State<Served>, Path(key): Path<String>, request: Request) -> Answered {
    let body = body(request, MOST_BODY).await?;
    let call = changes::call(&body).map_err(|why| bad(&why))?;
    let time = call.time + Duration::from_secs(2);
    ask(&shared, &key, Question::Call(Box::new(call)), time).await
}

async fn stacks(State(shared): State<Served>, Path(key): Path<String>) -> Answered {
    ask(&shared, &key, Question::Stacks, ANSWER_TIME).await
}

async fn ask(shared: &Served, key: &str, question: Question, time: Duration) -> Answered {
    let watched = instance(shared, key).await?;
    let deadline = Instant::now() + time;
    let answer: Answer =
        tokio::time::timeout_at(deadline, watched.ask(question, deadline)).await.unwrap_or_else(|_| {
            Err(Problem::new(ProblemKind::Unknown, "no answer in time; a change may have been made"))
        });
    answer.map(|answer| json_answer(StatusCode::OK, &answer)).map_err(|problem| refused(&problem))
}

async fn instance(shared: &Served, key: &str) -> Result<Arc<Watched>, Response> {
    let found = shared.fleet.one(key).await.map_err(|problem| refused(&problem))?;
    found.ok_or_else(|| text(StatusCode::NOT_FOUND, "there is no such app in the contexts"))
}

/// The body of a request with JSON.
async fn body(request: Request, most: usize) -> Result<Vec<u8>, Response> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type: expected application/json"));
    }
    match timeout(BODY_TIME, axum::body::to_bytes(request.into_body(), most)).await {
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
        Ok(Err(_)) => Err(text(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body has more than {most} bytes, or broke off"),
        )),
        Err(_) => Err(text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

type QueryOf<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

fn parsed<T>(query: QueryOf<T>) -> Result<Query<T>, Box<Response>> {
    query.map_err(|error| Box::new(bad(&error.to_string())))
}

fn bad(why: &str) -> Response {
    text(StatusCode::BAD_REQUEST, why)
}

fn refused(problem: &Problem) -> Response {
    let status = match problem.kind {
        ProblemKind::NotReached => StatusCode::BAD_GATEWAY,
        ProblemKind::Unknown => StatusCode::GATEWAY_TIMEOUT,
        ProblemKind::Denied => StatusCode::FORBIDDEN,
        ProblemKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        ProblemKind::TooOld => StatusCode::NOT_IMPLEMENTED,
        ProblemKind::Unusable => StatusCode::INTERNAL_SERVER_ERROR,
    };
    json_answer(status, problem)
}

fn json_answer<T: Serialize>(status: StatusCode, value: &T) -> Response {
    // Values of this crate are JSON already, and their serialization does not fail.
    let text = serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string());
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
