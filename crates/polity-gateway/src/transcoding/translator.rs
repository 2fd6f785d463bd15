//! One request and its answer, from JSON to gRPC and back.

use std::io::Write;
use std::sync::Arc;

use polity_http::head::is_hop_by_hop;
use polity_http::translate::{Asked, Translate};
use polity_http::{RequestHead, ResponseHead};
use polity_transcode::frame::{Frames, frame};
use polity_transcode::{Call, Code, Content, NoCall, Status, Told, Transcoder};

use crate::fields::{same_name, wants_events};

#[cfg(test)]
#[path = "translator_tests.rs"]
mod tests;

const JSON: &str = "application/json";

/// Fields of a request that speak of its body, or of how an answer to it may look: of the body that the instance gets, others
/// are true.
const OF_REQUEST_BODY: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "accept",
    "accept-encoding",
    "expect",
    "x-request-timeout-ms",
];

/// Translates one request.
pub(crate) struct Translator {
    transcoder: Option<Arc<Transcoder>>,
    asks_head: bool,
    call: Option<Call>,
    /// What the answer is told as, where it may be several messages.
    form: Form,
    frames: Frames,
    /// The answer's fields that are passed on, each a line with its end.
    fields: Vec<u8>,
    /// How the call ended: the head may have it, where nothing follows.
    ended: Option<Status>,
    /// What is told, of an answer that is one message.
    told: Option<Told>,
    /// Whether some of the answer was told.
    has_begun: bool,
}

/// What several messages are told as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One JSON a line.
    Lines,
    /// Server-sent events.
    Events,
}

impl Form {
    fn kind(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }
}

impl Translator {
    pub(crate) fn new(transcoder: Option<Arc<Transcoder>>) -> Self {
        Self {
            transcoder,
            asks_head: false,
            call: None,
            form: Form::Lines,
            frames: Frames::default(),
            fields: Vec::new(),
            ended: None,
            told: None,
            has_begun: false,
        }
    }

    /// The request to the instance.
    ///
    /// # Errors
    /// The answer, where it is not asked.
    fn ask(&mut self, head: &RequestHead<'_>, body: Option<&[u8]>) -> Result<Vec<u8>, Vec<u8>> {
        self.asks_head = head.method == "HEAD";
        let Some(transcoder) = self.transcoder.clone() else {
            let message = "the descriptors of the service have not been read yet";
            return Err(self.refuse(
                503,
                "retry-after: 1\r\n",
                &Status::new(Code::UNAVAILABLE, message),
            ));
        };
        let (path, query) = head.target.split_once('?').unwrap_or((head.target, ""));
        let call = transcoder
            .find(head.method, path)
            .map_err(|none| match none {
                NoCall::NotFound => {
                    let message = format!("no method of the service is at {path}");
                    self.refuse(404, "", &Status::new(Code::NOT_FOUND, message))
                }
                NoCall::MethodNotAllowed(allowed) => {
                    let allowed = allowed.join(", ");
                    let message =
                        format!("{} is not among the methods for it: {allowed}", head.method);
                    let status = Status::new(Code::UNIMPLEMENTED, message);
                    self.refuse(405, &format!("allow: {allowed}\r\n"), &status)
                }
            })?;
        let Some(body) = body else {
            let message = "the request is longer than what can be translated";
            let status = Status::new(Code::RESOURCE_EXHAUSTED, message);
            return Err(self.refuse(413, "", &status));
        };
        if call.requests_stream() {
            let message =
                "the method takes a stream of messages, which JSON over HTTP cannot bring";
            let status = Status::new(Code::UNIMPLEMENTED, message);
            return Err(self.refuse(501, "", &status));
        }
        if wants_events(head) {
            self.form = Form::Events;
        }
        let kind = head.header("content-type").unwrap_or_default();
        let content = Content {
            kind: std::str::from_utf8(kind).unwrap_or_default(),
            bytes: body,
        };
        let message = call.request(query, content);
        let message = message.map_err(|status| self.tell_status(&status))?;
        let request = write_request(head, &call.path(), &frame(&message));
        self.call = Some(call);
        Ok(request)
    }

    /// An answer that says `status` in JSON.
    fn tell_status(&self, status: &Status) -> Vec<u8> {
        self.refuse(status.code.http_status(), "", status)
    }

    fn refuse(&self, http_status: u16, fields: &str, status: &Status) -> Vec<u8> {
        let body = match &self.transcoder {
            Some(transcoder) => transcoder.tell_status(status),
            None => status.to_json(&Default::default()).to_string().into_bytes(),
        };
        let fields = [fields.as_bytes(), &self.fields].concat();
        self.whole(http_status, &fields, JSON, &body)
    }

    /// An answer with this body.
    fn whole(&self, http_status: u16, fields: &[u8], kind: &str, body: &[u8]) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {http_status} \r\n").into_bytes();
        out.extend_from_slice(fields);
        // Writing to a vector does not fail.
        let _ = write!(out, "content-type: {}\r\n", field_value(kind));
        let _ = write!(out, "content-length: {}\r\n\r\n", body.len());
        if !self.asks_head {
            out.extend_from_slice(body);
        }
        out
    }

    /// Tells the messages that are whole.
    fn tell(&mut self, out: &mut Vec<u8>) -> Result<(), Status> {
        let Some(call) = &self.call else {
            return Ok(());
        };
        while let Some(message) = self.frames.take()? {
            let told = call.tell(message)?;
            if call.answers_stream() {
                begin(
                    &mut self.has_begun,
                    self.form,
                    &self.fields,
                    &told.kind,
                    out,
                );
                chunk(&in_form(self.form, told), out);
            } else if self.told.replace(told).is_some() {
                let message = "the service answers with several messages where there is one";
                return Err(Status::new(Code::INTERNAL, message));
            }
        }
        Ok(())
    }

    /// Tells how it ended.
    fn finish(&mut self, status: &Status, out: &mut Vec<u8>) {
        let is_stream = self.call.as_ref().is_some_and(Call::answers_stream);
        match (status.is_ok(), is_stream) {
            (true, true) => {
                begin(&mut self.has_begun, self.form, &self.fields, JSON, out);
                out.extend_from_slice(b"0\r\n\r\n");
            }
            (true, false) => match self.told.take() {
                Some(told) => out.extend(self.whole(200, &self.fields, &told.kind, &told.bytes)),
                None => {
                    let message = "the service's answer ended without a message";
                    out.extend(self.tell_status(&Status::new(Code::INTERNAL, message)));
                }
            },
            (false, _) if !self.has_begun => out.extend(self.tell_status(status)),
            (false, _) => {
                let transcoder = self.transcoder.as_ref();
                let told = transcoder
                    .map(|it| it.tell_status(status))
                    .unwrap_or_default();
                let (before, after): (&[u8], &[u8]) = match self.form {
                    Form::Lines => (b"{\"error\":", b"}\n"),
                    Form::Events => (b"event: error\ndata: ", b"\n\n"),
                };
                chunk(&[before, &told, after].concat(), out);
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
    }
}

impl Translate for Translator {
    fn request(&mut self, head: &RequestHead<'_>, body: Option<&[u8]>) -> Asked {
        match self.ask(head, body) {
            Ok(request) => Asked::Otherwise(request),
            Err(answer) => Asked::Answered(answer),
        }
    }

    fn answer(&mut self, head: &ResponseHead<'_>) {
        let field = |name| {
            head.header(name)
                .and_then(|it| std::str::from_utf8(it).ok())
        };
        let is_grpc = field("content-type").is_some_and(|it| it.starts_with("application/grpc"));
        if head.status != 200 || !is_grpc {
            let message = format!(
                "the service answers with HTTP status {}, and no gRPC",
                head.status
            );
            self.ended = Some(Status::new(of_http(head.status), message));
            return;
        }
        if let status @ Some(_) = field("grpc-status") {
            let (message, details) = (field("grpc-message"), field("grpc-status-details-bin"));
            self.ended = Some(Status::of_trailers(status, message, details));
        }
        for header in head.headers {
            let is_framing = ["content-type", "content-length", "trailer"]
                .iter()
                .any(|name| same_name(header.name, name));
            let is_grpc = header
                .name
                .get(..5)
                .is_some_and(|it| it.eq_ignore_ascii_case("grpc-"));
            if !is_framing && !is_grpc && !is_hop_by_hop(header.name) {
                self.fields.extend_from_slice(header.name.as_bytes());
                self.fields.extend_from_slice(b": ");
                self.fields.extend_from_slice(header.value);
                self.fields.extend_from_slice(b"\r\n");
            }
        }
    }

    fn answer_data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.ended.is_some() {
            return;
        }
        self.frames.push(data);
        if let Err(status) = self.tell(out) {
            self.ended = Some(status);
        }
    }

    fn answer_end(&mut self, trailers: &[u8], out: &mut Vec<u8>) {
        let status = self.ended.take().unwrap_or_else(|| {
            let cut_short = self.frames.is_cut_short();
            match (cut_short, of_lines(trailers)) {
                (true, status) if status.is_ok() => {
                    Status::new(Code::INTERNAL, "the service's answer ends within a message")
                }
                (_, status) => status,
            }
        });
        self.finish(&status, out);
    }
}

fn write_request(head: &RequestHead<'_>, path: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + body.len());
    // Writing to a vector does not fail.
    let _ = write!(out, "POST {path} HTTP/1.1\r\nhost: {}\r\n", head.authority);
    for header in head.headers {
        let is_of_body = OF_REQUEST_BODY
            .iter()
            .any(|name| same_name(header.name, name));
        if is_of_body || is_hop_by_hop(header.name) {
            continue;
        }
        out.extend_from_slice(header.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(header.value);
        out.extend_from_slice(b"\r\n");
    }
    let left = head
        .header("x-request-timeout-ms")
        .and_then(|it| std::str::from_utf8(it).ok());
    // More digits than gRPC has a number for are no deadline.
    if let Some(left) = left.filter(|it| (1..=8).contains(&it.len())) {
        let _ = write!(out, "grpc-timeout: {left}m\r\n");
    }
    let _ = write!(
        out,
        "content-type: application/grpc\r\nte: trailers\r\nconnection: te\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(body);
    out
}

/// The head of an answer that comes message by message, once.
fn begin(has_begun: &mut bool, form: Form, fields: &[u8], told: &str, out: &mut Vec<u8>) {
    if std::mem::replace(has_begun, true) {
        return;
    }
    let kind = match told {
        JSON => form.kind(),
        // Bytes that are told as they are.
        other => other,
    };
    out.extend_from_slice(b"HTTP/1.1 200 \r\n");
    out.extend_from_slice(fields);
    // Writing to a vector does not fail.
    let _ = write!(out, "content-type: {}\r\n", field_value(kind));
    out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
}

fn in_form(form: Form, told: Told) -> Vec<u8> {
    match (told.kind.as_str(), form) {
        (JSON, Form::Lines) => [&told.bytes[..], b"\n"].concat(),
        (JSON, Form::Events) => [b"data: ", &told.bytes[..], b"\n\n"].concat(),
        _ => told.bytes,
    }
}

fn chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    // Writing to a vector does not fail.
    let _ = write!(out, "{:x}\r\n", bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// What a service says of its bytes, if it may stand in a head.
fn field_value(text: &str) -> &str {
    let may_stand = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.is_empty();
    if may_stand {
        text
    } else {
        "application/octet-stream"
    }
}

/// How trailers say that it ended.
fn of_lines(trailers: &[u8]) -> Status {
    let text = std::str::from_utf8(trailers).unwrap_or_default();
    let field = |wanted: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            same_name(name, wanted).then_some(value.trim())
        })
    };
    Status::of_trailers(
        field("grpc-status"),
        field("grpc-message"),
        field("grpc-status-details-bin"),
    )
}

/// The code for an answer that is none of gRPC ("HTTP to gRPC Status Code Mapping" of the gRPC project).
fn of_http(status: u16) -> Code {
    match status {
        400 => Code::INTERNAL,
        401 => Code::UNAUTHENTICATED,
        403 => Code::PERMISSION_DENIED,
        404 => Code::UNIMPLEMENTED,
        429 | 502..=504 => Code::UNAVAILABLE,
        _ => Code::UNKNOWN,
    }
}
