//! Targets that take one part of a message: heads, and bodies in chunks.

use std::mem::MaybeUninit;

use polity_http::body::{BodyError, Decoder};
use polity_http::head::request::{Asks, HeaderSpace};
use polity_http::head::{Framing, HeadError, Header, RequestHead, ResponseHead};
use polity_http::limits::MAX_HEADERS;

/// How many beginnings of a head are tried.
const BEGINNINGS: usize = 400;

/// A head that was accepted.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    start: Vec<String>,
    fields: Vec<(String, Vec<u8>)>,
    framing: Framing,
    length: usize,
}

/// The head of a request: what is accepted is made of what may be in a head, and is found once all of
/// its bytes are there, whatever follows.
pub(crate) fn request_head(input: &[u8]) {
    let read = |input: &[u8]| -> Result<Option<Head>, HeadError> {
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let parsed = RequestHead::parse(input, &mut space)?;
        Ok(parsed.map(|(head, length)| Head {
            start: [head.method, head.target, head.authority]
                .map(str::to_owned)
                .to_vec(),
            fields: owned(head.headers),
            framing: head.framing,
            length,
        }))
    };
    let Some(head) = check_head(input, read) else {
        return;
    };
    let [method, target, authority] = &head.start[..] else {
        unreachable!("as above");
    };
    assert!(method.bytes().all(is_token), "a method of anything");
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(target.starts_with('/') || target == "*");
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
    assert!(authority.bytes().all(is_of_host), "a host of anything");
    assert_ne!(
        head.framing,
        Framing::UntilClose,
        "a request without an end"
    );
}

/// The head of an answer, likewise.
pub(crate) fn answer_head(input: &[u8]) {
    let read = |input: &[u8]| -> Result<Option<Head>, HeadError> {
        let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let parsed = ResponseHead::parse(input, &mut space)?;
        Ok(parsed.map(|(head, length)| Head {
            start: vec![head.status.to_string(), head.reason.to_owned()],
            fields: owned(head.headers),
            framing: head.framing(Asks::Answer),
            length,
        }))
    };
    let Some(head) = check_head(input, read) else {
        return;
    };
    assert_eq!(head.start[0].len(), 3, "a status of {}", head.start[0]);
    assert!(
        head.start[1].bytes().all(is_of_value),
        "a reason of anything"
    );
}

fn owned(headers: &[Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let fields = headers.iter();
    fields
        .map(|field| (field.name.to_owned(), field.value.to_vec()))
        .collect()
}

/// What holds of both kinds.
fn check_head(
    input: &[u8],
    read: impl Fn(&[u8]) -> Result<Option<Head>, HeadError>,
) -> Option<Head> {
    let head = read(input).ok().flatten()?;
    let length = head.length;
    assert!(input[..length].ends_with(b"\r\n\r\n"), "it ends nowhere");
    assert!(head.fields.len() <= MAX_HEADERS);
    for (name, value) in &head.fields {
        assert!(
            !name.is_empty() && name.bytes().all(is_token),
            "a name of anything"
        );
        assert!(
            value.iter().copied().all(is_of_value),
            "a value of anything"
        );
        assert_eq!(
            value.trim_ascii().len(),
            value.len(),
            "spaces around a value"
        );
    }
    assert_eq!(
        read(&input[..length]).as_ref(),
        Ok(&Some(head)),
        "what follows matters"
    );
    for end in (0..length)
        .step_by(length.div_ceil(BEGINNINGS))
        .chain([length - 1])
    {
        assert_eq!(
            read(&input[..end]),
            Ok(None),
            "{end} of {length} bytes are enough"
        );
    }
    read(input).ok().flatten()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_of_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// What became of a body in chunks.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    data: Vec<u8>,
    trailers: Vec<u8>,
    used: usize,
    done: bool,
}

/// A body in chunks: the first bytes are the sizes of the pieces in which the rest comes. It is read to
/// the same in these as in one; each step uses up what it says, and none asks for more with bytes left.
pub(crate) fn chunked(input: &[u8]) {
    let (plan, body) = input.split_at(input.len().min(5));
    let whole = decode(body, &[], usize::MAX);
    let most = plan
        .first()
        .map_or(usize::MAX, |&most| usize::from(most) + 1);
    let pieces = decode(body, plan.get(1..).unwrap_or_default(), most);
    match (&whole, &pieces) {
        // How far a refused body was read depends on the pieces; that it is refused does not.
        (Err(_), Err(_)) => {}
        _ => assert_eq!(whole, pieces),
    }
    let Ok(decoded) = whole else {
        return;
    };
    assert!(decoded.data.len() <= decoded.used && decoded.used <= body.len());
    assert!(
        decoded.done || decoded.used == body.len(),
        "it waits with bytes left"
    );
    if decoded.done {
        let again = decode(&body[..decoded.used], &[], usize::MAX);
        assert_eq!(again, Ok(decoded), "what follows matters");
    }
}

fn decode(body: &[u8], plan: &[u8], most: usize) -> Result<Decoded, BodyError> {
    let mut decoder = Decoder::new(Framing::Chunked);
    let (mut data, mut used) = (Vec::new(), 0);
    let mut sizes = plan.iter().cycle().map(|&size| usize::from(size) + 1);
    let mut end = 0;
    while end < body.len() && !decoder.is_done() {
        end = body
            .len()
            .min(end.saturating_add(sizes.next().unwrap_or(usize::MAX)));
        while used < end && !decoder.is_done() {
            let rest = &body[used..end];
            let step = decoder.step(rest, most)?;
            assert!(step.data.end <= step.consumed && step.consumed <= rest.len());
            assert!(step.data.len() <= most && step.consumed > 0, "no progress");
            data.extend_from_slice(&rest[step.data]);
            used += step.consumed;
        }
    }
    Ok(Decoded {
        data,
        trailers: decoder.trailers().to_vec(),
        used,
        done: decoder.is_done(),
    })
}
