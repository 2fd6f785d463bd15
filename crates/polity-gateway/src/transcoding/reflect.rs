//! Asking an instance for its descriptors, over a connection of its own.

use std::pin::pin;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use polity_transcode::DescriptorPool;
use polity_transcode::frame::{Frames, frame};
use polity_transcode::reflection::{PATHS, Reflection, ReflectionError};
use tokio::net::TcpStream;

use super::Unread;
use crate::instance::Instance;

/// gRPC's status for a method that is not there.
const UNIMPLEMENTED: &str = "12";

/// What the instance tells of its services.
pub(super) async fn ask(instance: &Instance) -> Result<DescriptorPool, Unread> {
    let address = instance.address();
    let address = address.ok_or_else(|| Unread::Ask("its name is not known".to_owned()))?;
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    let (mut requests, connection) = h2::client::handshake(stream).await.map_err(failed)?;
    let mut connection = pin!(connection);
    let asking = async {
        // What is newer may not be there.
        let mut outcome = Err(Unread::Ask("it has no server reflection".to_owned()));
        for path in PATHS {
            outcome = ask_by(&mut requests, &instance.authority, path).await?;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    };
    tokio::select! {
        told = asking => told,
        ended = &mut connection => Err(Unread::Ask(match ended {
            Ok(()) => "it closed the connection".to_owned(),
            Err(error) => error.to_string(),
        })),
    }
}

/// By one version of the protocol. The inner error is of an instance that does not know it.
async fn ask_by(
    requests: &mut SendRequest<Bytes>,
    authority: &str,
    path: &str,
) -> Result<Result<DescriptorPool, Unread>, Unread> {
    let request = Request::post(format!("http://{authority}{path}"))
        .header("content-type", "application/grpc")
        .header("user-agent", "polity")
        .header("te", "trailers");
    let (answer, mut sending) = requests
        .send_request(request.body(()).map_err(failed)?, false)
        .map_err(failed)?;
    let mut reflection = Reflection::default();
    // Some servers answer with a head only once they have been asked.
    send(&mut sending, reflection.ask())?;
    let answer = answer.await.map_err(failed)?;
    let (head, mut body) = answer.into_parts();
    if let Some(status) = status_of(&head.headers) {
        return Ok(Err(unless_unknown(&status)?));
    }
    let mut frames = Frames::default();
    loop {
        match receive(&mut body, &mut frames).await? {
            Some(message) => reflection.answer(&message)?,
            None => {
                let trailers = body.trailers().await.map_err(failed)?;
                let status = trailers.as_ref().and_then(status_of).unwrap_or_default();
                return Ok(Err(unless_unknown(&status)?));
            }
        }
        match reflection.ask() {
            Some(question) => send(&mut sending, Some(question))?,
            None => {
                sending.send_data(Bytes::new(), true).map_err(failed)?;
                return Ok(Ok(reflection.finish()?));
            }
        }
    }
}

fn send(sending: &mut SendStream<Bytes>, question: Option<Vec<u8>>) -> Result<(), Unread> {
    let question = frame(&question.unwrap_or_default());
    sending.send_data(question.into(), false).map_err(failed)
}

/// The next message; none at the end.
async fn receive(body: &mut RecvStream, frames: &mut Frames) -> Result<Option<Vec<u8>>, Unread> {
    loop {
        let unreadable =
            |status: polity_transcode::Status| ReflectionError::Unreadable(status.message);
        if let Some(message) = frames.take().map_err(unreadable)? {
            return Ok(Some(message.to_vec()));
        }
        let Some(data) = body.data().await else {
            return Ok(None);
        };
        let data = data.map_err(failed)?;
        // It fails only where more is released than came.
        let _ = body.flow_control().release_capacity(data.len());
        frames.push(&data);
    }
}

fn status_of(fields: &HeaderMap) -> Option<String> {
    let status = fields.get("grpc-status")?.to_str().ok()?;
    Some(status.to_owned())
}

/// What is said of an instance that does not know the protocol; an error where it is another one's.
fn unless_unknown(status: &str) -> Result<Unread, Unread> {
    match status {
        UNIMPLEMENTED => Ok(Unread::Ask(
            "it has no server reflection: add it, or say `transcode = { descriptors = \"FILE\" }`"
                .to_owned(),
        )),
        status => Err(Unread::Ask(format!("it ended with gRPC status {status}"))),
    }
}

fn failed(error: impl std::fmt::Display) -> Unread {
    Unread::Ask(error.to_string())
}
