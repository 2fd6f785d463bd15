//! Operations: begun by a request, told step by step, and carried to their end whoever listens.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use polity_core::ServiceName;
use polity_runtime::task;
use tokio::sync::mpsc;

use super::streams::ndjson;
use super::{Api, Shared};
use crate::problem::Problem;
use crate::system::{Done, Message, Operation, OperationError, ProgressSender};
use crate::view::{OperationLine, Outcome, Scale};

/// How many operations at once; the supervisor puts those of one service in order itself.
pub(crate) const MAX_OPERATIONS: usize = 32;

/// How many steps may wait for a client that reads slowly; more are left out.
const MAX_WAITING_STEPS: usize = 1024;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Build a service and replace its instances by the new version, no request failed
///
/// Answers with one JSON object a line: steps as they happen, then one outcome. What is refused
/// before the first step is a problem instead. A client that goes away does not stop the deploy.
#[utoipa::path(post, path = "/services/{service}/deploy",
    params(("service" = String, Path, description = "its name")),
    responses(
        (status = 200, description = "steps, then the outcome", body = OperationLine, content_type = "application/x-ndjson"),
        (status = 404, description = "no such service", body = Problem),
        (status = 409, description = "another operation on it is under way", body = Problem),
        (status = 422, description = "it cannot be done to this service", body = Problem),
        (status = 503, description = "the system is stopping or busy", body = Problem),
    ))]
pub(super) async fn deploy(api: Shared, name: Path<String>) -> Result<Response, Problem> {
    operate(api, name, Operation::Deploy).await
}

/// Replace a service's instances by new ones of the same version, no request failed
#[utoipa::path(post, path = "/services/{service}/restart",
    params(("service" = String, Path, description = "its name")),
    responses(
        (status = 200, description = "steps, then the outcome", body = OperationLine, content_type = "application/x-ndjson"),
        (status = 404, description = "no such service", body = Problem),
    ))]
pub(super) async fn restart(api: Shared, name: Path<String>) -> Result<Response, Problem> {
    operate(api, name, Operation::Restart).await
}

/// Run this many instances of a service, until `replicas` is next edited in the plan
#[utoipa::path(post, path = "/services/{service}/scale", request_body = Scale,
    params(("service" = String, Path, description = "its name")),
    responses(
        (status = 200, description = "steps, then the outcome", body = OperationLine, content_type = "application/x-ndjson"),
        (status = 404, description = "no such service", body = Problem),
        (status = 422, description = "not so many, or not this service", body = Problem),
    ))]
pub(super) async fn scale(
    api: Shared,
    name: Path<String>,
    Bounded(scale): Bounded<Scale>,
) -> Result<Response, Problem> {
    operate(api, name, Operation::Scale(scale.replicas)).await
}

/// Stop the system gracefully
///
/// Answers at once; the system has stopped when nothing holds the lock of its data folder.
#[utoipa::path(post, path = "/shutdown", responses((status = 202, description = "it is stopping")))]
pub(super) async fn shutdown(State(api): Shared) -> StatusCode {
    api.system.shutdown();
    StatusCode::ACCEPTED
}

/// A JSON body that comes in time.
pub(super) struct Bounded<T>(pub(super) T);

impl<T, S> FromRequest<S> for Bounded<T>
where
    T: serde::de::DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Json::<T>::from_request(request, state);
        match tokio::time::timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(Json(body))) => Ok(Self(body)),
            Ok(Err(rejection)) => {
                let status = rejection.status();
                Err(Problem::new(status, "bad-body", rejection.body_text()))
            }
            Err(_) => {
                let detail = "the body did not come in time";
                Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "slow-body",
                    detail,
                ))
            }
        }
    }
}

async fn operate(
    State(api): Shared,
    Path(name): Path<String>,
    operation: Operation,
) -> Result<Response, Problem> {
    let service = api.known(&name)?;
    let mut messages = begin(&api, service, operation)?;
    // What is refused at once is told by the status; whatever has begun, line by line.
    let first = messages.recv().await.unwrap_or_else(lost);
    if let Message::Ended(Err(error)) = first {
        return Err(problem_of(error));
    }
    let rest = stream::unfold(first.goes_on().then_some(messages), async |messages| {
        let mut messages = messages?;
        let message = messages.recv().await.unwrap_or_else(lost);
        let rest = message.goes_on().then_some(messages);
        Some((message, rest))
    });
    let lines = stream::iter([first]).chain(rest).map(line_of);
    Ok(ndjson(lines))
}

fn begin(
    api: &Arc<Api>,
    service: ServiceName,
    operation: Operation,
) -> Result<mpsc::Receiver<Message>, Problem> {
    let busy = || {
        let detail = format!("{MAX_OPERATIONS} operations are under way: try again later");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
    };
    let permit = Arc::clone(&api.operations)
        .try_acquire_owned()
        .map_err(|_| busy())?;
    let (sender, messages) = mpsc::channel(MAX_WAITING_STEPS);
    // The end has its place in the queue from the start, however many steps crowd it.
    let end = sender.clone().try_reserve_owned().map_err(|_| busy())?;
    let system = Arc::clone(&api.system);
    task::spawn("operation", async move {
        let result = system
            .operate(service, operation, ProgressSender::new(sender))
            .await;
        end.send(Message::Ended(result));
        drop(permit);
    });
    Ok(messages)
}

/// The end of an operation that panicked; the panic itself is in the log.
fn lost() -> Message {
    Message::Ended(Err(OperationError::Failed {
        reason: "the operation ended unexpectedly: see the log of `polity up`".to_owned(),
        output: Vec::new(),
    }))
}

impl Message {
    fn goes_on(&self) -> bool {
        matches!(self, Self::Progress(_))
    }
}

fn line_of(message: Message) -> OperationLine {
    match message {
        Message::Progress(progress) => OperationLine::Progress(progress),
        Message::Ended(Ok(Done { message, version })) => OperationLine::Outcome(Outcome::Done {
            message,
            version: version.map(|version| version.to_string()),
        }),
        Message::Ended(Err(error)) => OperationLine::Outcome(Outcome::Failed {
            reason: error.to_string(),
            output: error.into_output(),
        }),
    }
}

fn problem_of(error: OperationError) -> Problem {
    let (status, cause) = match &error {
        OperationError::Unknown(_) => (StatusCode::NOT_FOUND, "unknown-service"),
        OperationError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
        OperationError::Busy(_) => (StatusCode::CONFLICT, "busy"),
        OperationError::Failed { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        OperationError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let problem = Problem::new(status, cause, error.to_string());
    Problem {
        output: error.into_output(),
        ..problem
    }
}

impl OperationError {
    fn into_output(self) -> Vec<String> {
        match self {
            Self::Failed { output, .. } => output,
            _ => Vec::new(),
        }
    }
}
