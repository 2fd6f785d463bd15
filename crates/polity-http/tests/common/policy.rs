//! Forwards everything to one place.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use polity_http::{
    Answer, Exchange, Fault, Here, Next, Outcome, Peer, Policy, Protocol, Replay, RequestHead,
    ResponseHead, Reuse, Speaks, Target,
};

/// Where everything goes, and comes from.
pub(crate) const SOMEWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// The host of a request that names none.
pub(crate) const NAMELESS: &str = "nameless.example";

/// The plainest policy there is.
pub(crate) struct Forward {
    /// Attempts that a request gets, if it can be made again at all.
    pub(crate) attempts: usize,
}

pub(crate) struct Forwarding {
    attempts_left: usize,
}

fn answer(fault: &Fault) -> Answer {
    let status = match fault {
        Fault::Head(_) | Fault::Body(_) | Fault::ClientGone => 400,
        Fault::HeadTooLarge => 431,
        Fault::ClientTooSlow => 408,
        Fault::Deadline => 504,
        _ => 502,
    };
    Answer {
        status,
        fields: b"x-made-here: 1\r\n".to_vec(),
        body: fault.to_string().into_bytes(),
    }
}

impl Policy for Forward {
    type Listener = ();
    type Exchange = Forwarding;

    fn protocol(&self, (): &()) -> Protocol {
        Protocol::Http
    }

    fn request(&self, (): &(), _: Peer, _: &RequestHead<'_>, _: Instant) -> Forwarding {
        Forwarding {
            attempts_left: self.attempts,
        }
    }

    fn tunnel(&self, (): &(), _: SocketAddr) -> Forwarding {
        Forwarding {
            attempts_left: self.attempts,
        }
    }

    fn refuse(&self, (): &(), _: SocketAddr, _: &[u8], fault: &Fault) -> Answer {
        answer(fault)
    }

    fn tick(&self) {}
}

impl Exchange for Forwarding {
    fn next(&mut self) -> Result<Target, Here> {
        self.attempts_left = self.attempts_left.saturating_sub(1);
        Ok(Target {
            address: SOMEWHERE,
            reuse: Reuse::Certain,
            speaks: Speaks::Http1,
        })
    }

    fn target<'a>(&'a self, head: &RequestHead<'a>) -> &'a str {
        head.target
    }

    fn keeps(&self, name: &str) -> bool {
        !name.eq_ignore_ascii_case("host")
    }

    fn write_fields(&self, head: &RequestHead<'_>, out: &mut Vec<u8>) {
        let host = match head.authority {
            "" => NAMELESS,
            host => host,
        };
        out.extend_from_slice(format!("host: {host}\r\n").as_bytes());
    }

    fn time_to_answer(&self) -> Option<Duration> {
        Some(Duration::from_secs(20))
    }

    fn failed(&mut self, fault: &Fault, replay: Replay) -> Next {
        match replay != Replay::Impossible && self.attempts_left > 0 {
            true => Next::Again(Duration::ZERO),
            false => Next::Give(answer(fault)),
        }
    }

    fn answered(&mut self, _: &ResponseHead<'_>, _: Instant) {}

    fn keeps_of_answer(&self, _: &str) -> bool {
        true
    }

    fn finished(&mut self, _: &Outcome) {}
}
