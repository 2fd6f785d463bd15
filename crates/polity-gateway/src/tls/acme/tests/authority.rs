//! An authority in memory that speaks ACME to whoever asks it as over HTTP, and can be made to fail.

use std::collections::HashMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
};
use serde_json::{Value, json};

use super::Challenges;

pub(super) const DIRECTORY: &str = "https://ca.example/directory";

type Asked = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
    /// Asked as it would ask over the network.
    challenges: Arc<Challenges>,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) orders: Vec<Order>,
    pub(super) accounts: usize,
    /// Paths that were asked for.
    pub(super) asked: Vec<String>,
    /// Paths that begin so are not answered: the client is killed there.
    pub(super) stalls_at: Option<&'static str>,
    /// Or with this status, this body and these seconds to wait.
    pub(super) refuses: HashMap<&'static str, (u16, Value, Option<u64>)>,
    /// Whether accounts that there were are known no more.
    pub(super) is_reset: bool,
    pub(super) window: Option<(SystemTime, SystemTime)>,
    pub(super) life: Duration,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Order {
    pub(super) domain: String,
    status: &'static str,
    pub(super) replaces: Option<String>,
    pub(super) kind: Option<String>,
    chain: Option<String>,
}

impl Authority {
    pub(super) fn new(
        challenges: Arc<Challenges>,
        clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Arc<Self> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = SystemTime::UNIX_EPOCH.into();
        let root = params.self_signed(&key).expect("signed").pem();
        let life = Duration::from_secs(9 * 86_400);
        Arc::new(Self {
            issuer: Issuer::new(params, key),
            root,
            challenges,
            clock: Box::new(clock),
            state: Mutex::new(State {
                life,
                ..State::default()
            }),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test has failed")
    }

    fn answer(&self, path: &str, payload: &Value, raw: &Value) -> (u16, Value, Option<String>) {
        let mut state = self.state();
        let place = path.rsplit('/').next().and_then(|it| it.parse().ok());
        let place: usize = place.unwrap_or_default();
        let known = !state.is_reset || raw["protected"].is_null() || path == "/account";
        if !known {
            let kind = "urn:ietf:params:acme:error:accountDoesNotExist";
            return (
                400,
                json!({"type": kind, "detail": "no such account"}),
                None,
            );
        }
        match path.split('/').nth(1).unwrap_or_default() {
            "directory" => (200, directory(), None),
            "nonce" => (200, Value::Null, None),
            "account" => {
                state.accounts += 1;
                state.is_reset = false;
                let at = format!("https://ca.example/account/{}", state.accounts);
                (201, json!({"status": "valid"}), Some(at))
            }
            "order" => {
                let domain = payload["identifiers"][0]["value"].as_str();
                state.orders.push(Order {
                    domain: domain.expect("a domain").to_owned(),
                    status: "pending",
                    replaces: payload["replaces"].as_str().map(str::to_owned),
                    ..Order::default()
                });
                let place = state.orders.len() - 1;
                let at = format!("https://ca.example/orders/{place}");
                (201, order(&state.orders[place], place), Some(at))
            }
            "orders" => (200, order(&state.orders[place], place), None),
            "authorization" => (200, authorization(&state.orders[place], place), None),
            "challenge" => {
                let kind = path.split('/').nth(2).expect("a kind").to_owned();
                let domain = state.orders[place].domain.clone();
                let is_proved = self.is_proved(&kind, &domain, place);
                state.orders[place].status = if is_proved { "ready" } else { "invalid" };
                let said = challenge(&kind, place, "processing");
                state.orders[place].kind = Some(kind);
                (200, said, None)
            }
            "finalize" => {
                let request = payload["csr"].as_str().expect("a request");
                let request = BASE64_URL_SAFE_NO_PAD.decode(request).expect("base64");
                let chain = self.sign(&request, state.life);
                state.orders[place].chain = Some(chain);
                state.orders[place].status = "valid";
                (200, order(&state.orders[place], place), None)
            }
            "certificate" => (200, json!(state.orders[place].chain), None),
            "renewal" => match state.window {
                Some((start, end)) => {
                    let (start, end) = (rfc3339(start), rfc3339(end));
                    let window = json!({"suggestedWindow": {"start": start, "end": end}});
                    (200, window, None)
                }
                None => (404, json!({"detail": "nothing is suggested"}), None),
            },
            _ => (404, json!({"detail": "nothing is there"}), None),
        }
    }

    fn is_proved(&self, kind: &str, domain: &str, place: usize) -> bool {
        match kind {
            "http-01" => {
                let path = format!("/.well-known/acme-challenge/token-{place}");
                let answer = self.challenges.answer(&path);
                answer.is_some_and(|it| it.body.starts_with(format!("token-{place}.").as_bytes()))
            }
            _ => self.challenges.certificate(domain).is_some(),
        }
    }

    fn sign(&self, request: &[u8], life: Duration) -> String {
        let request = CertificateSigningRequestParams::from_der(&request.to_vec().into());
        let mut request = request.expect("a request");
        let now = (self.clock)();
        request.params.not_before = now.into();
        request.params.not_after = (now + life).into();
        request.params.use_authority_key_identifier_extension = true;
        let signed = request.signed_by(&self.issuer).expect("signed");
        signed.pem() + &self.root
    }
}

/// How it is reached.
pub(super) struct Line(pub(super) Arc<Authority>);

impl HttpClient for Line {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Asked {
        let this = self.0.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let Ok(body) = request.into_body().collect().await;
            let raw: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
            let payload = raw["payload"].as_str().unwrap_or_default();
            let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64");
            let payload = serde_json::from_slice(&payload).unwrap_or_default();
            let (stalls, refusal) = {
                let mut state = this.state();
                state.asked.push(path.clone());
                let stalls = state.stalls_at.is_some_and(|at| path.starts_with(at));
                let mut refusals = state.refuses.iter();
                let refusal = refusals.find(|(at, _)| path.starts_with(**at));
                (stalls, refusal.map(|(_, refusal)| refusal.clone()))
            };
            let mut answer = Response::builder().header("replay-nonce", "nonce");
            let said = match refusal {
                Some((status, body, wait)) => {
                    if let Some(wait) = wait {
                        answer = answer.header("retry-after", wait);
                    }
                    (status, body, None)
                }
                None => this.answer(&path, &payload, &raw),
            };
            if stalls {
                // It has come about, and nobody hears of it.
                pending::<()>().await;
            }
            let (status, body, location) = said;
            if let Some(location) = location {
                answer = answer.header("location", location);
            }
            if path.starts_with("/renewal") {
                answer = answer.header("retry-after", 21_600);
            }
            let text = match body {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let answer = answer.status(status).body(Full::new(Bytes::from(text)));
            Ok(BytesResponse::from(answer.expect("an answer")))
        })
    }
}

fn directory() -> Value {
    let at = |name: &str| format!("https://ca.example/{name}");
    json!({
        "newNonce": at("nonce"), "newAccount": at("account"), "newOrder": at("order"),
        "revokeCert": at("revoke"), "keyChange": at("key"), "renewalInfo": at("renewal"),
    })
}

fn order(order: &Order, place: usize) -> Value {
    let mut said = json!({
        "status": order.status,
        "identifiers": [{"type": "dns", "value": order.domain}],
        "authorizations": [format!("https://ca.example/authorization/{place}")],
        "finalize": format!("https://ca.example/finalize/{place}"),
    });
    if order.chain.is_some() {
        said["certificate"] = json!(format!("https://ca.example/certificate/{place}"));
    }
    if let Some(replaces) = &order.replaces {
        said["replaces"] = json!(replaces);
    }
    said
}

fn authorization(order: &Order, place: usize) -> Value {
    let status = match order.status {
        "invalid" => "invalid",
        "pending" => "pending",
        _ => "valid",
    };
    let challenges: Vec<Value> = ["dns-01", "http-01", "tls-alpn-01"]
        .iter()
        .map(|kind| challenge(kind, place, status))
        .collect();
    json!({
        "status": status,
        "identifier": {"type": "dns", "value": order.domain},
        "challenges": challenges,
    })
}

fn challenge(kind: &str, place: usize, status: &str) -> Value {
    let mut said = json!({
        "type": kind,
        "status": status,
        "url": format!("https://ca.example/challenge/{kind}/{place}"),
        "token": format!("token-{place}"),
    });
    if status == "invalid" {
        said["error"] = json!({"detail": "nobody is there"});
    }
    said
}

fn rfc3339(at: SystemTime) -> String {
    let seconds = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after it")
        .as_secs();
    // Whole days are enough (civil from days, by Howard Hinnant).
    let days = i64::try_from(seconds / 86_400).expect("it fits") + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T00:00:00Z")
}
