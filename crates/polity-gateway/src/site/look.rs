//! From what is asked for to the file that answers it, and its answer.

use std::fs::{File, Metadata};
use std::io::Write;
use std::ops::Range;
use std::time::SystemTime;

use polity_http::file::{FileBody, Piece};
use polity_http::{Answer, Found};
use polity_plan::Coding;
use rustix::io::Errno;

use super::condition::Verdict;
use super::content_type;
use super::open::{How, Miss};
use super::path::Place;
use super::range::Ranges;
use super::request::{Asked, Method};
use super::validators::Validators;
use super::{Site, listing};
use crate::compression::{
    self, CHEAPEST, MIN_LENGTH, Permit, SMALLEST, extension, is_compressible,
};
use crate::problem::Cause;

/// Bytes beyond which a file is sent as it is, if it was not compressed beforehand: each request would have it all
/// compressed anew.
const MAX_COMPRESSED: u64 = 8 * 1024 * 1024;

/// A file that is sent.
struct Chosen {
    file: File,
    about: Metadata,
    media_type: &'static str,
    /// What it is compressed by.
    coding: Option<Coding>,
    /// Whether another client might be given another one.
    varies: bool,
}

impl Site {
    /// What answers a request.
    ///
    /// # Errors
    /// [`Miss::Blocked`] alone, where that would have to be waited for.
    pub(super) fn look(&self, asked: &Asked, how: How) -> Result<Found, Miss> {
        let found = match &asked.place {
            Some(place) => self.look_at(place, asked, how),
            None => Err(Miss::Nothing),
        };
        let found = match found {
            Err(Miss::Nothing) => self.look_for_page(asked, how),
            found => found,
        };
        match found {
            Err(Miss::Blocked) => Err(Miss::Blocked),
            Err(Miss::Nothing) => {
                let detail = format!("`{}` has no such file", self.name);
                Ok(asked.problem(Cause::NoFile, &detail).into())
            }
            Err(Miss::Failed(error)) => Ok(self.failed(asked, error).into()),
            Ok(found) => Ok(found),
        }
    }

    fn look_at(&self, place: &Place, asked: &Asked, how: How) -> Result<Found, Miss> {
        if place.is_folder {
            let index = place.below(&self.index);
            return match self.file(&index, how) {
                Ok((file, about)) => self.answer(file, about, &index, asked, how),
                Err(Miss::Nothing) if self.listing => self.list(place, asked, how),
                Err(miss) => Err(miss),
            };
        }
        let file = self.root.open(&place.path, how)?;
        let about = metadata(&file)?;
        if about.is_dir() {
            return Ok(asked.to_folder().into());
        }
        match about.is_file() {
            true => self.answer(file, about, &place.path, asked, how),
            false => Err(Miss::Nothing),
        }
    }

    /// The page that stands for those that are not there.
    fn look_for_page(&self, asked: &Asked, how: How) -> Result<Found, Miss> {
        let fallback = self.fallback.as_deref().filter(|_| asked.is_for_a_page());
        let fallback = fallback.ok_or(Miss::Nothing)?;
        let (file, about) = self.file(fallback, how)?;
        self.answer(file, about, fallback, asked, how)
    }

    /// A file as such: nothing else can be sent.
    fn file(&self, path: &[u8], how: How) -> Result<(File, Metadata), Miss> {
        let file = self.root.open(path, how)?;
        let about = metadata(&file)?;
        match about.is_file() {
            true => Ok((file, about)),
            false => Err(Miss::Nothing),
        }
    }

    fn list(&self, place: &Place, asked: &Asked, how: How) -> Result<Found, Miss> {
        if how == How::AtOnce {
            return Err(Miss::Blocked);
        }
        let folder = self.root.open(&place.path, how)?;
        if !metadata(&folder)?.is_dir() {
            return Err(Miss::Nothing);
        }
        let page = listing::page(&folder, &asked.path).map_err(Miss::Failed)?;
        Ok(asked
            .dress(Answer {
                status: 200,
                fields: listing::FIELDS.to_vec(),
                body: page.into_bytes(),
            })
            .into())
    }

    fn failed(&self, asked: &Asked, error: Errno) -> Answer {
        let cause = match error {
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Cause::Exhausted,
            _ => Cause::FileUnreadable,
        };
        let site = self.name.as_str();
        tracing::warn!(site, %error, "a file could not be opened");
        let detail = format!("`{site}`: the file could not be opened");
        asked.problem(cause, &detail)
    }

    /// The answer with a file, which is at `path`, or with a compressed one beside it.
    fn answer(
        &self,
        file: File,
        about: Metadata,
        path: &[u8],
        asked: &Asked,
        how: How,
    ) -> Result<Found, Miss> {
        let media_type = content_type::of(path);
        let varies = is_compressible(media_type);
        let twin = match varies {
            true => self.twin(path, &about, asked, how)?,
            false => None,
        };
        let chosen = match twin {
            Some((coding, file, about)) => Chosen {
                file,
                about,
                media_type,
                coding: Some(coding),
                varies,
            },
            None => Chosen {
                file,
                about,
                media_type,
                coding: None,
                varies,
            },
        };
        Ok(self.send(chosen, asked))
    }

    /// What was made of a file beforehand, by the coding that the client likes best. One that is older than the
    /// file was made of another.
    fn twin(
        &self,
        path: &[u8],
        about: &Metadata,
        asked: &Asked,
        how: How,
    ) -> Result<Option<(Coding, File, Metadata)>, Miss> {
        for coding in asked.accepted.in_order(SMALLEST) {
            let path = [path, extension(coding).as_bytes()].concat();
            match self.file(&path, how) {
                Ok((file, twin)) if is_as_new(&twin, about) => {
                    return Ok(Some((coding, file, twin)));
                }
                Err(Miss::Blocked) => return Err(Miss::Blocked),
                // The file itself is there.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }

    fn send(&self, chosen: Chosen, asked: &Asked) -> Found {
        let length = chosen.about.len();
        let mut validators = Validators::of(&chosen.about, SystemTime::now());
        let verdict = asked
            .conditions
            .judge(&validators, asked.method == Method::Get);
        let ranges = match (verdict, &asked.conditions.range) {
            (Verdict::Range, Some(range)) => Ranges::of(range, length),
            _ => Ranges::Whole,
        };
        let status = match (verdict, &ranges) {
            (Verdict::NotModified, _) => 304,
            (Verdict::Failed, _) => 412,
            (_, Ranges::Unsatisfiable) => 416,
            (_, Ranges::Parts(_)) => 206,
            (_, Ranges::Whole) => 200,
        };
        let on_its_way = self.coding(&chosen, asked);
        let encoder = on_its_way.filter(|_| status == 200);
        let encoder = encoder.and_then(|coding| compression::encoder(coding, Permit::take()?));
        if encoder.is_some() || (status == 304 && on_its_way.is_some()) {
            validators.weaken();
        }
        let mut fields = Vec::with_capacity(320);
        validators.write(&mut fields);
        if chosen.varies {
            fields.extend_from_slice(b"vary: accept-encoding\r\n");
        }
        if let Some(cache) = &self.cache {
            field(&mut fields, "cache-control", cache);
        }
        if status >= 300 {
            if status == 416 {
                let _ = write!(fields, "content-range: bytes */{length}\r\n");
            }
            let body = Vec::new();
            return asked.dress(answer(status, fields, body)).into();
        }
        fields.extend_from_slice(b"x-content-type-options: nosniff\r\n");
        if encoder.is_none() {
            fields.extend_from_slice(b"accept-ranges: bytes\r\n");
        }
        let coding = match encoder {
            Some(_) => on_its_way,
            None => chosen.coding,
        };
        if let Some(coding) = coding {
            field(&mut fields, "content-encoding", coding.name());
        }
        let pieces = match ranges {
            Ranges::Parts(parts) => {
                pieces_of(&parts, length, chosen.media_type, asked, &mut fields)
            }
            _ => {
                content_type::write(chosen.media_type, &mut fields);
                vec![Piece::Range(0..length)]
            }
        };
        let body = FileBody::new(chosen.file, pieces);
        Found {
            answer: asked.dress(answer(status, fields, Vec::new())),
            file: Some(match encoder {
                Some(encoder) => body.encoded(encoder),
                None => body,
            }),
        }
    }

    /// By what a file is compressed on its way, where it is worth it. Who asks for a range may ask for the rest
    /// later: both are of the file as it is.
    fn coding(&self, chosen: &Chosen, asked: &Asked) -> Option<Coding> {
        let is_plain = chosen.coding.is_none() && chosen.varies && asked.takes_chunks;
        let length = chosen.about.len();
        let is_whole = asked.conditions.range.is_none();
        if !is_plain || !is_whole || !(MIN_LENGTH..=MAX_COMPRESSED).contains(&length) {
            return None;
        }
        let mut accepted = asked.accepted.in_order(CHEAPEST);
        accepted.find(|coding| self.codings.contains(coding))
    }
}

fn answer(status: u16, fields: Vec<u8>, body: Vec<u8>) -> Answer {
    Answer {
        status,
        fields,
        body,
    }
}

/// One range as it is, several each with a head of its own (RFC 9110, section 14.6).
fn pieces_of(
    parts: &[Range<u64>],
    length: u64,
    media_type: &str,
    asked: &Asked,
    fields: &mut Vec<u8>,
) -> Vec<Piece> {
    let content_range = |part: &Range<u64>, out: &mut Vec<u8>| {
        let (first, last) = (part.start, part.end - 1);
        // Writing to a vector does not fail.
        let _ = write!(out, "content-range: bytes {first}-{last}/{length}\r\n");
    };
    if let [part] = parts {
        content_type::write(media_type, fields);
        content_range(part, fields);
        return vec![Piece::Range(part.clone())];
    }
    let boundary = format!("{:032x}", asked.boundary);
    let _ = write!(
        fields,
        "content-type: multipart/byteranges; boundary={boundary}\r\n"
    );
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    for part in parts {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        content_type::write(media_type, &mut head);
        content_range(part, &mut head);
        head.extend_from_slice(b"\r\n");
        pieces.push(Piece::Bytes(head));
        pieces.push(Piece::Range(part.clone()));
    }
    let end = format!("\r\n--{boundary}--\r\n").into_bytes();
    pieces.push(Piece::Bytes(end));
    pieces
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    let _ = write!(out, "{name}: {value}\r\n");
}

fn metadata(file: &File) -> Result<Metadata, Miss> {
    file.metadata()
        .map_err(|error| Miss::Failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

fn is_as_new(twin: &Metadata, about: &Metadata) -> bool {
    match (twin.modified(), about.modified()) {
        (Ok(twin), Ok(original)) => twin >= original,
        _ => false,
    }
}
