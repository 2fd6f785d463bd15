//! What a topic is, in a small file of lines that people can read: `NAME.topic`, beside the folders of
//! its partitions. Its last line is a checksum of the others.

use std::fmt::Write;

use crate::config::TopicConfig;
use crate::id::TopicId;

/// What such files' names end in.
pub(crate) const fn ending() -> &'static str {
    ".topic"
}

const HEAD: &str = "polity topic 1";

/// The largest such file: the keys are few and their values short.
pub(crate) const MAX_FILE: usize = 16 * 1024;

/// What the file of a topic says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicFile {
    pub(crate) id: TopicId,
    pub(crate) partitions: u32,
    pub(crate) config: TopicConfig,
}

impl TopicFile {
    /// Only what is not as by default is written: who changes a default means it for all the rest.
    pub(crate) fn encode(&self) -> String {
        let id = u128::from_be_bytes(self.id.0);
        let mut text = format!("{HEAD}\nid {id:032x}\npartitions {}\n", self.partitions);
        let defaults = TopicConfig::default();
        for (key, value) in self.config.entries() {
            if defaults.get(key).as_ref() != Some(&value) {
                let _ = writeln!(text, "set {key} {value}");
            }
        }
        let checksum = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "crc32c {checksum:08x}");
        text
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
        let last = text
            .trim_end_matches('\n')
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let (body, checksum) = text.split_at(last);
        let expected = format!("crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
        if checksum != expected {
            return Err("its last line is not its checksum".to_owned());
        }
        let mut lines = body.lines();
        if lines.next() != Some(HEAD) {
            return Err(format!("it does not begin with {HEAD:?}"));
        }
        let mut file = Self {
            id: TopicId([0; 16]),
            partitions: 0,
            config: TopicConfig::default(),
        };
        for line in lines {
            file.take(line)
                .ok_or_else(|| format!("{line:?} says nothing to this version"))?;
        }
        Ok(file)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (what, rest) = line.split_once(' ')?;
        match what {
            "id" => self.id = TopicId(u128::from_str_radix(rest, 16).ok()?.to_be_bytes()),
            "partitions" => self.partitions = rest.parse().ok()?,
            "set" => {
                let (key, value) = rest.split_once(' ')?;
                self.config.set(key, value).ok()?;
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> TopicFile {
        let mut config = TopicConfig::default();
        config.set("cleanup.policy", "compact").expect("it is one");
        config.set("segment.bytes", "4096").expect("it is one");
        TopicFile {
            id: TopicId([7; 16]),
            partitions: 3,
            config,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(TopicFile::decode(file().encode().as_bytes()), Ok(file()));
    }

    #[test]
    fn any_damage_is_found() {
        let bytes = file().encode().into_bytes();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(TopicFile::decode(&damaged).is_err(), "byte {at}");
            assert!(TopicFile::decode(&bytes[..at]).is_err(), "cut off at {at}");
        }
    }
}
