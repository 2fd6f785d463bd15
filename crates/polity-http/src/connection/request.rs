//! From the bytes of a request's head to a started exchange, in one go and without waiting.

use super::begun::Begun;
use crate::buffer::Output;
use crate::head::request::{Asks, HeaderSpace};
use crate::head::{Framing, HeadError, RequestHead, Version, write_request_head};
use crate::limits::{Limits, MAX_HEADERS};
use crate::policy::{Exchange, Fault, Here, Next, Peer, Policy, Replay, Target};
use crate::stream::Dial;
use crate::worker::Worker;

/// What became of the bytes.
pub(crate) enum Prepared {
    /// They are not a whole head yet.
    Partial,
    /// They can never be one.
    Refused(Fault),
    /// They are one, and it is in its place.
    Request,
}

/// A request whose head has been read and, if it goes anywhere, written for its origin.
pub(crate) struct Started<E: Exchange> {
    pub(crate) exchange: Begun<E>,
    pub(crate) traits: Traits,
    /// Until it is taken.
    pub(crate) next: Option<Result<Target, Here>>,
    pub(crate) output: Output,
}

/// What of a request's head is needed once its bytes are gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    pub(crate) head_length: usize,
    pub(crate) framing: Framing,
    pub(crate) version: Version,
    pub(crate) asks: Asks,
    /// The client means to send another request.
    pub(crate) keeps_alive: bool,
    /// Another may be sent, as far as the limits go.
    pub(crate) may_go_on: bool,
    /// The client may wait for a 100 before it sends the body.
    pub(crate) expects_continue: bool,
    /// Bytes the body may have.
    pub(crate) body_limit: u64,
}

/// Parses the head in `input`, starts its exchange in `place`, and writes it for the first attempt.
pub(crate) fn prepare<P: Policy, D: Dial>(
    worker: &Worker<P, D>,
    listener: &P::Listener,
    peer: Peer,
    input: &[u8],
    place: &mut Option<Started<P::Exchange>>,
) -> Prepared {
    let mut space: HeaderSpace<'_> = [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
    let (head, head_length) = match RequestHead::parse(input, &mut space) {
        Ok(Some((head, length))) if is_beyond(&worker.limits(), &head, length) => {
            return Prepared::Refused(Fault::HeadTooLarge);
        }
        Ok(Some(parsed)) => parsed,
        Ok(None) => return Prepared::Partial,
        Err(HeadError::TooManyHeaders) => return Prepared::Refused(Fault::HeadTooLarge),
        Err(error) => return Prepared::Refused(Fault::Head(error)),
    };
    let now = worker.now().into_std();
    let exchange = Begun::new(worker.policy.request(listener, peer, &head, now));
    let body_limit = exchange.body_limit();
    // It is large: from here on it is worked on where it stays.
    let started = place.insert(Started {
        exchange,
        next: None,
        output: worker.buffers.output(),
        traits: Traits {
            head_length,
            framing: head.framing,
            version: head.version,
            asks: head.asks(),
            keeps_alive: head.keeps_alive(),
            may_go_on: true,
            expects_continue: head.expects_continue && head.framing != Framing::None,
            body_limit,
        },
    });
    let exchange = &mut *started.exchange;
    let next = match head.framing {
        Framing::Length(length) if length > body_limit => too_large(exchange),
        _ => exchange.next(),
    };
    if next.is_ok() {
        write_head(exchange, &head, started.output.buffer());
    }
    started.next = Some(next);
    Prepared::Request
}

fn is_beyond(limits: &Limits, head: &RequestHead<'_>, length: usize) -> bool {
    length > limits.header_size || head.headers.len() > limits.header_count
}

fn too_large<E: Exchange>(exchange: &mut E) -> Result<Target, Here> {
    match exchange.failed(&Fault::BodyTooLarge, Replay::NotSent) {
        Next::Give(answer) => Err(answer.into()),
        // A policy that tries again has changed its mind about the limit.
        Next::Again(_) => exchange.next(),
    }
}

/// Writes the head, which is still at the start of `input`, for a further attempt.
pub(crate) fn rewrite<E: Exchange>(exchange: &E, input: &[u8], output: &mut Output) {
    let mut space: HeaderSpace<'_> = [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
    output.clear();
    // It was parsed before, so it is whole and valid.
    if let Ok(Some((head, _))) = RequestHead::parse(input, &mut space) {
        write_head(exchange, &head, output.buffer());
    }
}

fn write_head<E: Exchange>(exchange: &E, head: &RequestHead<'_>, out: &mut Vec<u8>) {
    // RFC 9110, section 10.1.1: HTTP/1.0 knows no expectations.
    let drops_expect = head.version == Version::Http10;
    write_request_head(
        head,
        exchange.target(head),
        out,
        |name| exchange.keeps(name) && !(drops_expect && name.eq_ignore_ascii_case("expect")),
        |out| exchange.write_fields(head, out),
    );
}
