//! One request, one answer.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    read(agent().get(format!("http://{address}{path}")).call())
}

pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    read(agent().post(format!("http://{address}{path}")).send(body))
}

/// The same where nobody may be there to answer, or to answer to the end.
pub(crate) fn try_post(address: SocketAddr, path: &str, body: &str) -> Option<Answer> {
    let answer = agent().post(format!("http://{address}{path}")).send(body);
    let mut answer = answer.ok()?;
    Some(Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.body_mut().read_to_string().ok()?,
    })
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    config.into()
}

#[track_caller]
fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut answer = answer.expect("the gateway answers");
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.body_mut().read_to_string().expect("a whole body"),
    }
}
