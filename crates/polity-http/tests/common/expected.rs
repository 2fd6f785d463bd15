//! What has to arrive of a message that a proxy forwards: RFC 9110, section 7.6, said once more and
//! without the data plane's own code.

use crate::message::{End, Field, Message, Start};
use crate::policy::NAMELESS;

/// Fields of one connection, and of framing, which the next hop has of its own.
const OF_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Fields that stay whatever `Connection` says.
const NEVER_LISTED: &[&str] = &[
    "authorization",
    "cache-control",
    "content-encoding",
    "content-type",
    "cookie",
    "date",
    "forwarded",
    "host",
    "traceparent",
    "tracestate",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// The request that an instance has to get when a client sends `sent`.
pub(crate) fn request(sent: &Message) -> Message {
    let mut expected = sent.clone();
    let Start::Request { authority, .. } = &mut expected.start else {
        unreachable!("it is a request");
    };
    if authority.is_empty() {
        NAMELESS.clone_into(authority);
    }
    let mut fields = end_to_end(sent, |name| {
        let dashed = name.replace('_', "-");
        let aliases = dashed != name && (is_of_connection(&dashed) || dashed == "host");
        let expects_of_10 = name == "expect" && !sent.is_11;
        name != "host" && !aliases && !expects_of_10
    });
    fields.push(field("host", authority));
    fields.extend(framing(sent));
    if let Some(protocol) = offer(sent) {
        fields.push(field("connection", "upgrade"));
        fields.push(field("upgrade", protocol));
    } else if list(sent, "te").any(|coding| coding == "trailers") {
        fields.push(field("connection", "te"));
        fields.push(field("te", "trailers"));
    }
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    Message {
        is_11: true,
        fields,
        ..expected
    }
}

/// The end-to-end fields of an answer.
pub(crate) fn answer_fields(sent: &Message) -> Vec<Field> {
    end_to_end(sent, |_| true)
}

/// Those of `received` that are end-to-end and not the proxy's.
pub(crate) fn received_fields(received: &Message) -> Vec<Field> {
    let mut fields = received.fields.clone();
    fields.retain(|(name, _)| !is_of_connection(name));
    fields
}

/// Whether trailers that arrived are those that were sent, less what would mean something else there.
pub(crate) fn trailers_are_of(received: &[Field], sent: &[Field]) -> bool {
    let plain = |(name, _): &&Field| {
        name.starts_with("x-")
            && !["x-forwarded", "x-polity", "x-re"]
                .iter()
                .any(|it| name.starts_with(it))
    };
    let forbidden = |(name, _): &Field| {
        let dashed = name.replace('_', "-");
        is_of_connection(&dashed)
            || ["host", "cookie", "set-cookie", "authorization"].contains(&dashed.as_str())
    };
    let all_sent = received
        .iter()
        .all(|field| sent.contains(field) && !forbidden(field));
    let all_received = sent
        .iter()
        .filter(plain)
        .all(|field| received.contains(field));
    all_sent && all_received
}

fn end_to_end(message: &Message, keeps: impl Fn(&str) -> bool) -> Vec<Field> {
    let listed: Vec<String> = list(message, "connection").collect();
    let mut fields = message.fields.clone();
    fields.retain(|(name, _)| {
        let is_listed = listed.contains(name) && !NEVER_LISTED.contains(&name.as_str());
        !is_of_connection(name) && !is_listed && keeps(name)
    });
    fields
}

fn is_of_connection(name: &str) -> bool {
    OF_CONNECTION.contains(&name)
}

/// How the body is framed towards the instance: as it came, the length written plainly.
fn framing(sent: &Message) -> Option<Field> {
    let value = |name: &str| sent.fields.iter().find(|field| field.0 == name);
    if value("transfer-encoding").is_some() {
        return Some(field("transfer-encoding", "chunked"));
    }
    let (_, length) = value("content-length")?;
    let digits = String::from_utf8_lossy(length);
    let plain = digits.trim_start_matches('0');
    Some(field(
        "content-length",
        if plain.is_empty() { "0" } else { plain },
    ))
}

/// The one protocol that a request without a body offers to change to, unless it is one of HTTP.
fn offer(sent: &Message) -> Option<&str> {
    let mut offers = sent.fields.iter().filter(|field| field.0 == "upgrade");
    let protocol = std::str::from_utf8(&offers.next()?.1).ok()?;
    let lower = protocol.to_ascii_lowercase();
    let is_token = !protocol.is_empty()
        && protocol
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"(),:;<=>?@[\\]{}".contains(&b));
    let is_http = lower.starts_with("h2") || lower.starts_with("http");
    let is_asked_for = list(sent, "connection").any(|option| option == "upgrade");
    let may = sent.is_11 && framing(sent).is_none() && offers.next().is_none();
    (is_token && !is_http && is_asked_for && may).then_some(protocol)
}

/// The members of all fields of this name, in lower case.
fn list(message: &Message, name: &str) -> impl Iterator<Item = String> {
    let values = message.fields.iter().filter(move |field| field.0 == name);
    values.flat_map(|(_, value)| {
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        let members: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
        members
    })
}

fn field(name: &str, value: &str) -> Field {
    (name.to_owned(), value.as_bytes().to_vec())
}

/// Whether what arrived of a body that never ended is a beginning of it, and did not seem to be all.
pub(crate) fn is_beginning(received: &Message, sent: &Message) -> bool {
    received.end != End::Whole && sent.body.starts_with(&received.body)
}
