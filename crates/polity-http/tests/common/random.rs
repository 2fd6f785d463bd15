//! Seeded exploration: messages bred from a corpus, and the smallest that still fails.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::corpus::escape;

/// SplitMix64: small, and the same everywhere for a seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// One in `count`.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of `choices`.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// What makes parsers disagree more often than chance would have it.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\x7f",
    b"\x85",
    b"\xa0",
    b"\xff",
    b":",
    b";",
    b",",
    b"_",
    b"-",
    b"+",
    b"0",
    b"00",
    b"0x",
    b"1",
    b"5",
    b"A",
    b"\"",
    b"\\",
    b"%",
    b"#",
    b"?",
    b"//",
    b"@",
    b"*",
    b"\r\n ",
    b"\r\n\t",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"\r\nHost: b\r\n",
    b"Host: b\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length:",
    b"content_length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding:",
    b"Transfer-Encoding: identity\r\n",
    b"chunked",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Connection: X-A\r\nX-A: b\r\n",
    b"Expect: 100-continue\r\n",
    b"TE: trailers\r\n",
    b"Trailer: A\r\n",
    b"0\r\n\r\n",
    b"0\r\nA: b\r\n\r\n",
    b"3\r\nabc\r\n",
    b"3;a=\"b\"\r\nabc\r\n",
    b"ffffffffffffffff\r\n",
    b"100000000\r\n",
    b"HEAD",
    b"POST",
    b"OPTIONS",
    b"CONNECT",
    b"http://a/",
    b"204",
    b"304",
    b"101",
];

/// Makes a message out of nothing.
pub(crate) type Compose = fn(&mut Random) -> Vec<u8>;

/// A message composed, or one of `corpus`, changed here and there or joined with another.
pub(crate) fn breed(random: &mut Random, corpus: &[Vec<u8>], compose: Compose) -> Vec<u8> {
    let mut bytes = match random.one_in(3) {
        true => compose(random),
        false => random.pick(corpus).clone(),
    };
    if random.one_in(6) {
        let other = random.pick(corpus);
        bytes.truncate(random.below(bytes.len() + 1));
        bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
    }
    if random.one_in(5) {
        bytes.extend_from_slice(random.pick::<Vec<u8>>(corpus));
    }
    for _ in 0..random.below(5) {
        mutate(random, &mut bytes);
    }
    bytes
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() + 1);
    let end = (at + 1 + random.below(8)).min(bytes.len());
    match random.below(8) {
        0 | 1 => drop(bytes.splice(at..at, random.pick(PIECES).iter().copied())),
        2 => drop(bytes.splice(at..end, random.pick(PIECES).iter().copied())),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.below(256) as u8;
            }
        }
        6 => {
            // A bit of one, the one for upper and lower case among them.
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        _ => swap_lines(random, bytes),
    }
}

/// Moves a line to another place, or leaves a copy there.
fn swap_lines(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        return;
    }
    let from = random.below(lines.len());
    let line = match random.one_in(2) {
        true => lines.remove(from),
        false => lines[from].clone(),
    };
    lines.insert(random.below(lines.len() + 1), line);
    *bytes = lines.concat();
}

/// Checks each of `corpus` as it is, then `rounds` messages bred from it and `compose`, and panics with the seed and
/// the smallest message of the first that fails. A panic within `check` is a failure like any other.
///
/// `POLITY_FUZZ_SEED` runs one seed alone, `POLITY_FUZZ_ROUNDS` more or fewer of them.
pub(crate) fn explore(
    rounds: u64,
    corpus: &[Vec<u8>],
    compose: Compose,
    check: impl Fn(&[u8], &mut Random) -> Result<(), String>,
) {
    let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    let seeds = match number("POLITY_FUZZ_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..corpus.len() as u64 + number("POLITY_FUZZ_ROUNDS").unwrap_or(rounds),
    };
    for seed in seeds {
        let mut random = Random::new(seed);
        let bytes = match corpus.get(seed as usize) {
            Some(bytes) => bytes.clone(),
            None => breed(&mut random, corpus, compose),
        };
        // What else the check draws is the same for the message made smaller.
        let fails = |bytes: &[u8]| {
            let mut random = Random::new(!seed);
            let checked = catch_unwind(AssertUnwindSafe(|| check(bytes, &mut random)));
            checked.unwrap_or_else(|panic| Err(said(&*panic))).err()
        };
        if let Some(failure) = fails(&bytes) {
            let least = smallest(bytes, |bytes| fails(bytes).is_some());
            let of_least = fails(&least).unwrap_or_default();
            panic!(
                "seed {seed}: {failure}\nsmallest: {}\nof which: {of_least}",
                escape(&least)
            );
        }
    }
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

/// How many bytes are tried in all to make a failing message smaller.
const MAX_TRIED: usize = 1 << 20;

/// Takes away what can be taken away with the failure left, in ever smaller pieces.
fn smallest(mut bytes: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut size = bytes.len().div_ceil(2);
    let mut tried = 0;
    while size > 0 {
        let mut at = 0;
        while at < bytes.len() && tried < MAX_TRIED {
            tried += bytes.len();
            let mut less = bytes.clone();
            less.drain(at..(at + size).min(bytes.len()));
            match fails(&less) {
                true => bytes = less,
                false => at += size,
            }
        }
        size /= 2;
    }
    bytes
}
