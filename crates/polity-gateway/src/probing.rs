//! Instances are asked how busy they are, with each request that is sent: on the control side, and beside the requests.
//!
//! After Prequal (Wydrowski, Kleinberg, Rumble, Archer, NSDI 2024): a request waits for no answer, and is sent by those that
//! came for others before. An instance is asked one thing at a time: requests that come faster are content
//! with one answer.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_balance::{ProbeAnswer, Report};
use polity_core::{Rng, ServiceName};
use polity_http::ResponseHead;
use polity_http::head::Framing;
use polity_http::head::request::{Asks, HeaderSpace};
use polity_http::limits::MAX_HEADERS;
use polity_plan::BalancePolicy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::builder::Builder;
use crate::instance::Instance;
use crate::load_report;
use crate::moment::moment;
use crate::service::Service;

/// What takes longer to answer says nothing of now. Connecting is in it.
const LIMIT: Duration = Duration::from_millis(500);

/// Bytes of an answer, with its head.
const MAX_ANSWER: usize = 8 * 1024;

/// How often one that nobody asks about is looked at: whether it is still there.
const LOOK: Duration = Duration::from_secs(1);

impl Service {
    /// The path that instances are asked for, if they are.
    fn probe_path(&self) -> Option<&str> {
        match &self.policy.balance.policy {
            BalancePolicy::Prequal(prequal) => Some(&prequal.probe),
            _ => None,
        }
    }

    /// Whether instances are asked.
    pub(crate) fn probes(&self) -> bool {
        self.probe_path().is_some()
    }

    /// A request is sent: has some instances asked.
    pub(crate) fn ask_some(&self, rng: &mut dyn Rng) {
        if self.probes() {
            let places = self.shared.balancer.to_probe(&self.ready, rng);
            let asked = places.filter_map(|place| self.ready.get(place));
            asked.for_each(|instance| instance.question.notify_one());
        }
    }

    fn told(&self, instance: &Instance, report: &Report, now: Instant) {
        let now = moment(now);
        instance.endpoint.report(report, now);
        let place = self.ready.iter().position(|it| it.is(instance));
        if let (Some(place), Some(in_flight)) = (place, report.in_flight) {
            // What its answers take is seen from here, and needs nobody's word.
            let latency = instance.endpoint.latency().average(now);
            let latency = latency.unwrap_or_default();
            let answer = ProbeAnswer { in_flight, latency };
            self.shared
                .balancer
                .probed(&self.ready, place, &answer, now);
        }
    }
}

/// Asks an instance of `service` when there is a question for it, until it is retired.
pub(crate) async fn keep_asking(builder: Arc<Builder>, service: ServiceName, instance: Instance) {
    let mut connection = None;
    let mut failing = false;
    while !instance.endpoint.is_retired() {
        if timeout(LOOK, instance.question.notified()).await.is_err() {
            continue;
        }
        let snapshot = builder.current();
        let Some(of) = snapshot.service(service.as_str()) else {
            continue;
        };
        let Some(path) = of.probe_path() else {
            continue;
        };
        let asked = timeout(LIMIT, ask(&mut connection, &instance, path)).await;
        match asked.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            Ok(report) => {
                failing = false;
                of.told(&instance, &report, Instant::now());
            }
            Err(error) => {
                connection = None;
                if !std::mem::replace(&mut failing, true) {
                    let (service, instance) = (service.as_str(), instance.id.as_str());
                    tracing::warn!(service, instance, path, %error, "an instance does not say how busy it is");
                }
            }
        }
    }
}

/// What the instance says of itself, over the connection of before if that is still good.
async fn ask(
    connection: &mut Option<TcpStream>,
    instance: &Instance,
    path: &str,
) -> io::Result<Report> {
    let host = &instance.authority;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: polity\r\n\r\n").into_bytes();
    if let Some(kept) = connection.take()
        && let Ok((report, kept)) = exchange(kept, &request).await
    {
        *connection = kept;
        return Ok(report);
    }
    let address = instance.address().ok_or(ErrorKind::AddrNotAvailable)?;
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (report, kept) = exchange(stream, &request).await?;
    *connection = kept;
    Ok(report)
}

/// One answer, and the connection if it can be used again.
async fn exchange(
    mut stream: TcpStream,
    request: &[u8],
) -> io::Result<(Report, Option<TcpStream>)> {
    stream.write_all(request).await?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        if let Some((report, length)) = read(&answer)? {
            // Of an answer whose end is not known nothing follows.
            let missing = length.and_then(|length| length.checked_sub(answer.len()));
            let Some(missing) = missing.filter(|_| length.is_some_and(|it| it <= MAX_ANSWER))
            else {
                return Ok((report, None));
            };
            let mut rest = vec![0; missing];
            stream.read_exact(&mut rest).await?;
            return Ok((report, Some(stream)));
        }
        if answer.len() >= MAX_ANSWER || stream.read_buf(&mut answer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What an answer says, once its head is there, and its length where that is known and another may follow.
fn read(answer: &[u8]) -> io::Result<Option<(Report, Option<usize>)>> {
    let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = ResponseHead::parse(answer, &mut space);
    let Some((head, length)) = parsed.map_err(|_| ErrorKind::InvalidData)? else {
        return Ok(None);
    };
    if !(200..300).contains(&head.status) {
        return Err(io::Error::other(format!("it answers {}", head.status)));
    }
    let report = load_report::read(&head).filter(|report| report.in_flight.is_some());
    let report = report.ok_or_else(|| io::Error::other("its answer has no number in flight"))?;
    let body = match head.framing(Asks::Answer) {
        Framing::Length(length) => usize::try_from(length).ok(),
        Framing::None => Some(0),
        Framing::Chunked | Framing::UntilClose => None,
    };
    let whole = body.filter(|_| head.keeps_alive());
    Ok(Some((
        report,
        whole.map(|body| body.saturating_add(length)),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: Option<(u32, Option<usize>)>) {
        let read = read(answer.as_bytes()).expect("an answer");
        let read = read.map(|(report, length)| (report.in_flight.unwrap_or(u32::MAX), length));
        assert_eq!(read, expected, "{answer}");
    }

    #[test]
    fn an_answer_says_how_many_there_are_and_whether_another_may_follow() {
        check("HTTP/1.1 200 OK\r\nx-server-in", None);
        let busy = "HTTP/1.1 200 OK\r\nx-server-in-flight: 7\r\n";
        check(
            &format!("{busy}content-length: 2\r\n\r\n"),
            Some((7, Some(63))),
        );
        check(
            &format!("{busy}connection: close\r\ncontent-length: 2\r\n\r\n"),
            Some((7, None)),
        );
        check(
            &format!("{busy}transfer-encoding: chunked\r\n\r\n"),
            Some((7, None)),
        );
        check(
            "HTTP/1.1 204 X\r\nendpoint-load-metrics: TEXT named_metrics.in_flight=3\r\n\r\n",
            Some((3, Some(73))),
        );
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_an_error() {
        for answer in [
            "HTTP/1.1 404 Not Found\r\nx-server-in-flight: 7\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx-server-in-flight: many\r\ncontent-length: 0\r\n\r\n",
            "what?\r\n\r\n",
        ] {
            assert!(read(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
