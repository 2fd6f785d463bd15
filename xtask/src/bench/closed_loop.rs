//! Workloads in which a fixed number of clients send the next request when they have the answer:
//! CPU per request.

use std::thread::sleep;
use std::time::Duration;

use super::contenders::Contender;
use super::cpu::{Core, Usage};
use super::figures::{CPU, RATE};
use super::session::Session;
use super::wrk::{self, Load, Outcome};

/// What is left to do after the last answer (a log to write, a connection to close) counts as well.
const SETTLE: Duration = Duration::from_millis(400);

/// One row of the table.
pub(super) struct ClosedLoop {
    pub(super) name: &'static str,
    pub(super) connections: usize,
    pub(super) path: &'static str,
    /// Lua for wrk.
    pub(super) script: &'static str,
    /// Whether every message arrives whole and every connection is kept, so that the floor can take part.
    pub(super) floor: bool,
}

pub(super) const CLOSED_LOOPS: [ClosedLoop; 8] = [
    keep_alive("get-8", 8, "/1k", "").with_floor(),
    GET_64,
    keep_alive("get-512", 512, "/1k", "").with_floor(),
    keep_alive("headers-64", 64, "/1k", HEADERS).with_floor(),
    keep_alive("body-64k", 64, "/64k", ""),
    keep_alive("post-length", 64, "/sink", POST_LENGTH),
    keep_alive("post-chunked", 64, "/sink", POST_CHUNKED),
    keep_alive(
        "connection-per-request",
        64,
        "/1k",
        "wrk.headers['Connection'] = 'close'",
    ),
];

pub(super) const GET_64: ClosedLoop = keep_alive("get-64", 64, "/1k", "").with_floor();

/// What a browser sends, Host aside.
const HEADERS: &str = r#"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.9,de;q=0.8"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
wrk.headers["Referer"] = "https://shop.example.com/catalogue/garden?page=3"
wrk.headers["Cookie"] = "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1"
wrk.headers["Cache-Control"] = "max-age=0"
wrk.headers["Upgrade-Insecure-Requests"] = "1"
wrk.headers["Sec-Fetch-Dest"] = "document"
wrk.headers["Sec-Fetch-Mode"] = "navigate"
wrk.headers["Sec-Fetch-Site"] = "same-origin"
"#;

const POST_LENGTH: &str = r#"
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.body = string.rep("x", 16384)
"#;

/// Four chunks, as a client makes them that reads what it sends from somewhere.
const POST_CHUNKED: &str = r#"
local chunk = "1000\r\n" .. string.rep("x", 4096) .. "\r\n"
local whole
init = function(arguments)
  whole = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\n" ..
    "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n" ..
    string.rep(chunk, 4) .. "0\r\n\r\n"
end
request = function() return whole end
"#;

const fn keep_alive(
    name: &'static str,
    connections: usize,
    path: &'static str,
    script: &'static str,
) -> ClosedLoop {
    ClosedLoop {
        name,
        connections,
        path,
        script,
        floor: false,
    }
}

impl ClosedLoop {
    const fn with_floor(self) -> Self {
        Self {
            floor: true,
            ..self
        }
    }

    /// Every contender once a round.
    pub(super) fn run(&self, session: &mut Session) -> anyhow::Result<()> {
        for round in 0..session.pace.rounds {
            let turns = match self.floor {
                true => session.in_turn(round),
                false => session.proxies_in_turn(round),
            };
            for contender in turns {
                self.once(session, contender)?;
            }
        }
        Ok(())
    }

    fn once(&self, session: &mut Session, contender: usize) -> anyhow::Result<()> {
        let contender = &session.contenders[contender];
        let measured = measure(session, contender, self, self.script)?;
        let name = contender.name.clone();
        if let Some(defect) = &measured.defect {
            session
                .ground
                .defect(self.name, &[CPU, RATE], &name, defect);
        }
        session
            .ground
            .figures
            .add(self.name, CPU, &name, measured.cpu_us);
        session
            .ground
            .figures
            .add(self.name, RATE, &name, measured.rate);
        Ok(())
    }
}

/// One run of one contender.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) cpu_us: f64,
    pub(super) rate: f64,
    pub(super) defect: Option<String>,
}

pub(super) fn measure(
    session: &Session,
    contender: &Contender,
    load: &ClosedLoop,
    script: &str,
) -> anyhow::Result<Measured> {
    send(
        session,
        contender,
        load,
        script,
        session.pace.warm_up_seconds,
    )?;
    sleep(SETTLE);
    let (core, before) = (
        Core::read(&session.ground.cores.proxy),
        Usage::of(contender.pid()),
    );
    let outcome = send(session, contender, load, script, session.pace.seconds)?;
    sleep(SETTLE);
    let used = Usage::of(contender.pid()).since(&before);
    if let (Some(core), Some(now)) = (core, Core::read(&session.ground.cores.proxy)) {
        session
            .ground
            .note_others(now.taken_by_others(&core, used.nanoseconds));
    }
    Ok(Measured {
        cpu_us: used.nanoseconds as f64 / 1000.0 / outcome.requests as f64,
        rate: outcome.requests as f64 / outcome.seconds,
        defect: defect(&outcome, used.ended_threads),
    })
}

/// Nothing but the load.
pub(super) fn send(
    session: &Session,
    contender: &Contender,
    load: &ClosedLoop,
    script: &str,
    seconds: usize,
) -> anyhow::Result<Outcome> {
    session.ground.check_interrupt()?;
    let load = Load {
        url: &contender.url(load.path),
        connections: load.connections,
        seconds,
        script,
    };
    wrk::run(&load, &session.ground.cores, session.ground.folder())
}

fn defect(outcome: &Outcome, ended_threads: usize) -> Option<String> {
    let mut faults = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            faults.push(format!("{count} {what}"));
        }
    };
    note(outcome.refused, "answers were no success");
    note(outcome.broken, "connections broke");
    note(
        ended_threads as u64,
        "threads ended, and their time is lost",
    );
    note(u64::from(outcome.requests == 0), "run without an answer");
    (!faults.is_empty()).then(|| faults.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_fails_is_told() {
        let mut outcome = Outcome {
            requests: 10,
            seconds: 1.0,
            refused: 0,
            broken: 0,
        };
        assert_eq!(defect(&outcome, 0), None);
        outcome.broken = 2;
        assert_eq!(
            defect(&outcome, 1).expect("two faults"),
            "2 connections broke, 1 threads ended, and their time is lost"
        );
    }
}
