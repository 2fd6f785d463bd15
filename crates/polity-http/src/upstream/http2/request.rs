//! A request's head on its way out: from the form of HTTP/1.1 (RFC 9113, section 8.3.1).

use std::io;

use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};

use crate::head::{Framing, RequestHead};
use crate::http2::outgoing::fields;
use crate::http2::web::WebForm;

/// What is told of a request of gRPC-Web.
pub(super) struct Web {
    pub(super) form: WebForm,
    /// Of its messages: `+proto`, or nothing.
    pub(super) format: String,
}

impl Web {
    /// None where it is a request of another kind.
    pub(super) fn of(head: &RequestHead<'_>) -> Option<Self> {
        let (form, format) = WebForm::of(head.header("content-type")?)?;
        Some(Self {
            form,
            format: format.to_owned(),
        })
    }
}

/// The same request in the other form. One that asks for another protocol asks for it by a method of its
/// own there (RFC 8441, section 4).
/// So does one of gRPC-Web, which asks for gRPC there.
pub(super) fn convert(head: &RequestHead<'_>, web: Option<&Web>) -> io::Result<Request<()>> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(Authority::try_from(head.authority).map_err(unfit)?);
    uri.path_and_query = Some(path(head.target)?);
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_parts(uri).map_err(unfit)?;
    *request.method_mut() = match head.upgrade {
        Some(_) => Method::CONNECT,
        None => Method::from_bytes(head.method.as_bytes()).map_err(unfit)?,
    };
    if let Some(protocol) = head.upgrade {
        request.extensions_mut().insert(Protocol::from(protocol));
    }
    let is_upgrade = head.upgrade.is_some();
    let fields_kept = |name: &str| {
        let is_said = name.eq_ignore_ascii_case("host");
        let is_handshake = is_upgrade && name.eq_ignore_ascii_case("sec-websocket-key");
        !is_said && !is_handshake
    };
    let mut fields = fields(head.headers, fields_kept);
    if let Framing::Length(length) = head.framing {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(web) = web {
        let kind = HeaderValue::try_from(format!("application/grpc{}", web.format));
        fields.insert(CONTENT_TYPE, kind.map_err(unfit)?);
        if web.form == WebForm::Text {
            fields.remove(CONTENT_LENGTH);
        }
    }
    if head.accepts_trailers || web.is_some() {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    *request.headers_mut() = fields;
    Ok(request)
}

/// Path and query. What no path should hold and HTTP/1.1 lets pass is written as it should have been.
fn path(target: &str) -> io::Result<PathAndQuery> {
    let spelled = PathAndQuery::try_from(target);
    spelled.or_else(|_| {
        let mut encoded = String::with_capacity(target.len() + 16);
        for byte in target.chars() {
            match byte {
                '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}' => {
                    encoded.push_str(&format!("%{:02X}", byte as u32));
                }
                _ => encoded.push(byte),
            }
        }
        PathAndQuery::try_from(encoded).map_err(unfit)
    })
}

fn unfit(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
