//! How an authority is asked: HTTPS by hyper, with the same cryptography as everything here, a connection for
//! each of the few requests.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, RETRY_AFTER};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The time for one request, from looking its host up to the end of its answer.
const REQUEST_BOUND: Duration = Duration::from_secs(30);

/// The longest answer: chains of certificates are some kilobytes.
const MAX_ANSWER: usize = 1 << 20;

const HTTPS: u16 = 443;

type Asked = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

/// Asks over the network.
pub(super) struct Https(TlsConnector);

impl Https {
    /// Trusts the certificates in `roots`, or else those that the system trusts. Reads them: this may block.
    pub(super) fn new(roots: Option<&Path>) -> Result<Self, String> {
        let store = match roots {
            Some(path) => from_file(path)?,
            None => from_system()?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

impl HttpClient for Https {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Asked {
        let connector = self.0.clone();
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let answer = tokio::time::timeout(REQUEST_BOUND, ask(connector, request)).await;
            match answer {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(why)) => Err(Error::Other(format!("{host}: {why}").into())),
                Err(_) => Err(Error::Other(
                    format!("{host} took too long to answer").into(),
                )),
            }
        })
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn ask(
    connector: TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Failed> {
    let uri = request.uri().clone();
    if uri.scheme_str() != Some("https") {
        return Err("only asked by `https://`".into());
    }
    let authority = uri.authority().ok_or("a URL without a host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority.port_u16().unwrap_or(HTTPS);
    let stream = TcpStream::connect((host, port)).await?;
    let name = ServerName::try_from(host.to_owned())?;
    let stream = connector.connect(name, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    *request.uri_mut() = Uri::try_from(target)?;
    let host = HeaderValue::try_from(authority.as_str())?;
    request.headers_mut().insert(HOST, host);
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        Ok::<_, Failed>(Response::from_parts(parts, Full::new(body)))
    };
    // Its end is the exchange's.
    let connection = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = exchange => answer.map(BytesResponse::from),
        () = connection => Err("the connection has ended".into()),
    }
}

fn from_file(path: &Path) -> Result<RootCertStore, String> {
    let failed = |why: String| {
        format!(
            "{}: {why}; `roots` of [gateway.acme] names it",
            path.display()
        )
    };
    let mut store = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    for certificate in read {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
    }
    match store.is_empty() {
        true => Err(failed("it holds no certificate".to_owned())),
        false => Ok(store),
    }
}

fn from_system() -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match store.is_empty() {
        true => Err(
            "this system trusts nobody: install its `ca-certificates`, or name `roots` in [gateway.acme]"
                .to_owned(),
        ),
        false => Ok(store),
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let at = httpdate::parse_http_date(text).ok()?;
            Some(at.duration_since(now).unwrap_or_default())
        }
    }
}

/// Asks by another, and remembers when the authority would be asked again.
#[derive(Clone)]
pub(super) struct Polite {
    inner: Arc<dyn HttpClient>,
    told: Arc<Mutex<Option<Duration>>>,
}

impl Polite {
    pub(super) fn new(inner: Arc<dyn HttpClient>) -> Self {
        Self {
            inner,
            told: Arc::default(),
        }
    }

    /// For how long the authority would have us wait, as it said last.
    pub(super) fn told(&self) -> Option<Duration> {
        *self.told.lock().unwrap_or_else(|it| it.into_inner())
    }
}

impl HttpClient for Polite {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Asked {
        let (asked, told) = (self.inner.request(request), self.told.clone());
        Box::pin(async move {
            let answer = asked.await?;
            let parts = &answer.parts;
            // Of an order that is worked on it is no more than when to look again.
            let is_refusal = parts.status.is_client_error() || parts.status.is_server_error();
            let said = parts.headers.get(RETRY_AFTER).filter(|_| is_refusal);
            if let Some(wait) = said.and_then(|it| wait(it.to_str().ok()?, SystemTime::now())) {
                *told.lock().unwrap_or_else(|it| it.into_inner()) = Some(wait);
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_seconds_or_by_a_date() {
        let check = |text, expected: Option<u64>| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
            assert_eq!(wait(text, now), expected.map(Duration::from_secs), "{text}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(60));
        check("Sat, 06 Nov 1993 08:49:37 GMT", Some(0));
        check("soon", None);
        check("-1", None);
    }
}
