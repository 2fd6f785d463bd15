//! The other end of the admin API: finds the running system and asks it.

mod operation;
#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Read};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use polity_console::{Problem, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, BodyReader};

use crate::cli::Global;
use crate::data::DataFolder;
use crate::run_file::RunFile;

pub use operation::carry_out;

/// The system is on this machine: it answers soon or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For questions that are answered at once; streams and operations take as long as they take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest line of a stream: one of a log (64 KiB) with every character escaped, and more.
const MAX_LINE: u64 = 1024 * 1024;

/// A running system's admin API.
pub struct Client {
    agent: Agent,
    base: String,
    authorization: String,
}

/// Records that arrive one JSON object a line, for as long as the other end has more.
pub struct Records<T> {
    reader: BufReader<BodyReader<'static>>,
    line: Vec<u8>,
    record: PhantomData<T>,
}

impl Client {
    /// The system that runs on the folder these options mean.
    ///
    /// # Errors
    /// When there is no such folder, or nothing runs on it.
    pub fn connect(global: &Global) -> Result<Self> {
        Self::of(&DataFolder::find(global.data.as_deref())?)
    }

    /// The system that runs on this folder.
    ///
    /// # Errors
    /// When nothing runs on it.
    pub fn of(data: &DataFolder) -> Result<Self> {
        // The lock is asked first: the token is sent to no program that merely took over the port.
        let run = RunFile::of_running(data)?;
        let address = run
            .console()
            .context("the running system has no admin API")?;
        Ok(Self::new(address, &Token::read(data.path())?))
    }

    fn new(address: SocketAddr, token: &Token) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            // The system is on this machine, whatever HTTP_PROXY says.
            .proxy(None)
            .build();
        Self {
            agent: config.new_agent(),
            base: format!("http://{address}"),
            authorization: format!("Bearer {}", token.secret()),
        }
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// When the system cannot be reached or refuses.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .config()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build();
        let mut response = self.accepted(request.call())?;
        let answer = response.body_mut().read_json();
        answer.context("the system's answer makes no sense: is it of another version of polity?")
    }

    /// Adds one thing to those at a path.
    ///
    /// # Errors
    /// When the system cannot be reached or refuses.
    pub fn put_in<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .config()
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build();
        let mut response = self.accepted(request.send_json(body))?;
        let answer = response.body_mut().read_json();
        answer.context("the system's answer makes no sense: is it of another version of polity?")
    }

    /// Asks for a stream of records.
    ///
    /// # Errors
    /// When the system cannot be reached or refuses.
    pub fn follow<T>(&self, path: &str) -> Result<Records<T>> {
        let request = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("authorization", &self.authorization);
        Ok(Records::of(self.accepted(request.call())?))
    }

    /// Asks for something to be done, and for a stream of records on it.
    ///
    /// # Errors
    /// When the system cannot be reached or refuses.
    pub fn post<T>(&self, path: &str, body: Option<&impl Serialize>) -> Result<Records<T>> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", &self.authorization);
        let response = match body {
            Some(body) => request.send_json(body),
            None => request.send_empty(),
        };
        Ok(Records::of(self.accepted(response)?))
    }

    fn accepted(&self, response: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
        // As text: a pipe that broke on the way there is no reader of ours that went away.
        let mut response = response.map_err(|error| {
            anyhow!(
                "could not reach the running system at {}: {error}",
                self.base
            )
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "the system at {} does not accept the token of this data folder",
                self.base
            );
        }
        match response.body_mut().read_json::<Problem>() {
            Ok(problem) => Err(refusal(problem)),
            Err(_) => bail!("the system at {} answered {status}", self.base),
        }
    }
}

impl<T> Records<T> {
    fn of(response: Response<Body>) -> Self {
        Self {
            reader: BufReader::new(response.into_body().into_reader()),
            line: Vec::new(),
            record: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Iterator for Records<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line.clear();
        let read = (&mut self.reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.line);
        match read {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&self.line).context(
                "the system sent a line that makes no sense: is it of another version of polity?",
            )),
            Err(error) => Some(Err(anyhow!("the connection to the system broke: {error}"))),
        }
    }
}

/// `text` as one segment of a path or one value of a query (RFC 3986, 2.3). What cannot be a
/// name goes to the system as well: it knows the nearest one.
pub fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn refusal(problem: Problem) -> anyhow::Error {
    match problem.output.is_empty() {
        true => anyhow!(problem.detail),
        false => anyhow!("{}\n{}", problem.detail, problem.output.join("\n")),
    }
}
