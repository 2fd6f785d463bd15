//! The same over HTTP/2, which gRPC's own health check (grpc.health.v1) needs: one request, nothing kept.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use h2::RecvStream;
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::ANSWER_LIMIT;

/// How long the connection's end in order is waited for. Some services log any other.
const REST_TIMEOUT: Duration = Duration::from_millis(50);

/// What frames a message of gRPC: whether it is compressed, and its length in four bytes.
const PREFIX: usize = 5;

/// What a service says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Serving {
    Yes,
    /// Something else, in words.
    No(String),
}

/// An answer, as far as it matters.
struct Answer {
    head: Response<()>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

/// Sends `GET path` and says which status came back.
pub(super) async fn status(
    stream: TcpStream,
    address: SocketAddr,
    path: &str,
) -> Result<u16, String> {
    let request = Request::get(format!("http://{address}{path}"))
        .header("user-agent", "polity")
        .header("accept", "*/*");
    let answer = ask(stream, request, None).await?;
    Ok(answer.head.status().as_u16())
}

/// Asks whether `service` serves; an empty name is the server as a whole.
pub(super) async fn grpc(
    stream: TcpStream,
    address: SocketAddr,
    service: &str,
) -> Result<Serving, String> {
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("user-agent", "polity")
        .header("te", "trailers");
    let answer = ask(stream, request, Some(question(service))).await?;
    // An answer without a body has one head for both.
    let ends = answer.trailers.as_ref().unwrap_or(answer.head.headers());
    let code = ends.get("grpc-status").and_then(|code| code.to_str().ok());
    match code {
        Some("0") => serving(&answer.body),
        Some("5") => Ok(Serving::No(format!("that it does not know `{service}`"))),
        Some("12") => Ok(Serving::No("that it has no such check".to_owned())),
        Some(code) => Ok(Serving::No(format!("with status {code}"))),
        None => Err(format!(
            "status {} and no grpc-status",
            answer.head.status().as_u16()
        )),
    }
}

async fn ask(
    stream: TcpStream,
    request: http::request::Builder,
    body: Option<Bytes>,
) -> Result<Answer, String> {
    let request = request.body(()).map_err(|error| error.to_string())?;
    let (mut requests, connection) = h2::client::handshake(stream).await.map_err(said)?;
    let mut connection = pin!(connection);
    let asking = async {
        let (answer, mut stream) = requests
            .send_request(request, body.is_none())
            .map_err(said)?;
        if let Some(body) = body {
            stream.send_data(body, true).map_err(said)?;
        }
        read(answer.await.map_err(said)?).await
    };
    let answer = tokio::select! {
        answer = asking => answer,
        ended = &mut connection => Err(match ended {
            Ok(()) => "the connection was closed before an answer".to_owned(),
            Err(error) => said(error),
        }),
    }?;
    drop(requests);
    // The verdict stands, however it ends.
    let _ = timeout(REST_TIMEOUT, connection).await;
    Ok(answer)
}

async fn read(answer: Response<RecvStream>) -> Result<Answer, String> {
    let (head, mut stream) = answer.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(said)?;
        // It fails only where more is released than came.
        let _ = stream.flow_control().release_capacity(data.len());
        let room = ANSWER_LIMIT.saturating_sub(body.len());
        body.extend_from_slice(&data[..data.len().min(room)]);
        if body.len() == ANSWER_LIMIT {
            break;
        }
    }
    let is_whole = body.len() < ANSWER_LIMIT;
    let trailers = match is_whole {
        true => stream.trailers().await.map_err(said)?,
        false => None,
    };
    Ok(Answer {
        head: Response::from_parts(head, ()),
        body,
        trailers,
    })
}

fn said(error: h2::Error) -> String {
    error.to_string()
}

/// A HealthCheckRequest: `string service = 1`.
fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length > 0x7f {
            message.put_u8(0x80 | (length & 0x7f) as u8);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(service.as_bytes());
    }
    let mut framed = vec![0; PREFIX];
    framed[1..].copy_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    framed.into()
}

/// A HealthCheckResponse: `ServingStatus status = 1`.
fn serving(body: &[u8]) -> Result<Serving, String> {
    match body.get(PREFIX..) {
        Some([0x08, 1, ..]) => Ok(Serving::Yes),
        Some([0x08, 2, ..]) => Ok(Serving::No("NOT_SERVING".to_owned())),
        Some([0x08, 3, ..]) => Ok(Serving::No("SERVICE_UNKNOWN".to_owned())),
        // What is not said is 0.
        Some([] | [0x08, 0, ..]) => Ok(Serving::No("UNKNOWN".to_owned())),
        Some(_) | None => Err("the message is not a HealthCheckResponse".to_owned()),
    }
}

#[cfg(test)]
#[path = "http2_tests.rs"]
mod tests;
