//! Asking a service for its descriptors: `grpc.reflection.v1.ServerReflection`, and `v1alpha`, whose messages are the
//! same (gRPC Server Reflection Protocol).
//!
//! A machine of what is asked and what is answered; whoever has the stream carries both. Each answer is waited for
//! before the next question, since servers may answer out of order only at their peril.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;

#[cfg(test)]
#[path = "reflection_tests.rs"]
mod tests;

/// The methods to call, the newer first.
pub const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Files that a service may have.
const MAX_FILES: usize = 10_000;

/// Bytes that they may have together.
const MAX_BYTES: usize = 64 << 20;

/// Services that tell of a server and are not for its callers.
const NOT_SERVED: [&str; 3] = [
    "grpc.reflection.v1",
    "grpc.reflection.v1alpha",
    "grpc.health.v1",
];

/// The questions of one service.
#[derive(Debug)]
pub struct Reflection {
    to_ask: VecDeque<Question>,
    /// What is asked and not answered yet.
    asked: Option<Question>,
    /// Names of those that have come, and their bytes: HTTP rules are extensions, which a message read without them
    /// would lose.
    files: BTreeMap<String, Vec<u8>>,
    /// Names of those that have been asked for or have come.
    known: BTreeSet<String>,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Services,
    FileOfSymbol(String),
    File(String),
}

/// Why a service's descriptors cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReflectionError {
    /// It answers with something else.
    #[error("the service's answer by reflection cannot be read: {0}")]
    Unreadable(String),
    /// It knows nothing of what it has named.
    #[error("the service knows no {asked}: {message} (gRPC status {code})")]
    Refused {
        /// What was asked for.
        asked: String,
        /// The gRPC status code.
        code: i32,
        /// What the service says.
        message: String,
    },
    /// What it tells does not fit together.
    #[error("the service's descriptors do not fit together: {0}")]
    Inconsistent(String),
    /// It tells more than is read.
    #[error("the service has more than {MAX_FILES} files of descriptors, or {MAX_BYTES} bytes")]
    TooMany,
}

/// `ServerReflectionRequest`.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(oneof = "Asked", tags = "3, 4, 7")]
    asked: Option<Asked>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Asked {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(string, tag = "7")]
    ListServices(String),
}

/// `ServerReflectionResponse`.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(oneof = "Answered", tags = "4, 6, 7")]
    answered: Option<Answered>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Answered {
    #[prost(message, tag = "4")]
    Files(FileDescriptorResponse),
    #[prost(message, tag = "6")]
    Services(ListServiceResponse),
    #[prost(message, tag = "7")]
    Error(ErrorResponse),
}

/// `google.protobuf.FileDescriptorSet`, its files as they came.
#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct FileDescriptorResponse {
    #[prost(bytes = "vec", repeated, tag = "1")]
    file_descriptor_proto: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct ListServiceResponse {
    #[prost(message, repeated, tag = "1")]
    service: Vec<ServiceResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct ServiceResponse {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorResponse {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Default for Reflection {
    fn default() -> Self {
        Self {
            to_ask: VecDeque::from([Question::Services]),
            asked: None,
            files: BTreeMap::new(),
            known: BTreeSet::new(),
            bytes: 0,
        }
    }
}

impl Reflection {
    /// The next message to send; none once all is known.
    pub fn ask(&mut self) -> Option<Vec<u8>> {
        self.asked = self.to_ask.pop_front();
        let asked = match self.asked.clone()? {
            Question::Services => Asked::ListServices(String::new()),
            Question::FileOfSymbol(symbol) => Asked::FileContainingSymbol(symbol),
            Question::File(name) => Asked::FileByFilename(name),
        };
        Some(Request { asked: Some(asked) }.encode_to_vec())
    }

    /// Takes the message that answers what was asked.
    ///
    /// # Errors
    /// When it does not answer it.
    pub fn answer(&mut self, message: &[u8]) -> Result<(), ReflectionError> {
        let unreadable = |what: &str| ReflectionError::Unreadable(what.to_owned());
        let response = Response::decode(message).map_err(|error| unreadable(&error.to_string()))?;
        let asked = self
            .asked
            .take()
            .ok_or_else(|| unreadable("nothing was asked"))?;
        match (response.answered, asked) {
            (Some(Answered::Services(services)), Question::Services) => {
                let names = services.service.into_iter().map(|service| service.name);
                let served = names.filter(|name| !is_not_served(name));
                self.to_ask.extend(served.map(Question::FileOfSymbol));
                self.is_within_bounds()
            }
            (Some(Answered::Files(files)), Question::FileOfSymbol(_) | Question::File(_)) => files
                .file_descriptor_proto
                .iter()
                .try_for_each(|file| self.add(file)),
            (Some(Answered::Error(error)), asked) => Err(ReflectionError::Refused {
                asked: match asked {
                    Question::Services => "services".to_owned(),
                    Question::FileOfSymbol(symbol) => format!("file of `{symbol}`"),
                    Question::File(name) => format!("file `{name}`"),
                },
                code: error.code,
                message: error.message,
            }),
            _ => Err(unreadable("it answers another question")),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), ReflectionError> {
        let file = FileDescriptorProto::decode(bytes);
        let file = file.map_err(|error| ReflectionError::Unreadable(error.to_string()))?;
        if self.files.contains_key(file.name()) {
            return Ok(());
        }
        self.bytes += bytes.len();
        self.known.insert(file.name().to_owned());
        for needed in &file.dependency {
            if self.known.insert(needed.clone()) {
                self.to_ask.push_back(Question::File(needed.clone()));
            }
        }
        let name = file.name().to_owned();
        self.files.insert(name, bytes.to_vec());
        self.is_within_bounds()
    }

    fn is_within_bounds(&self) -> Result<(), ReflectionError> {
        let files = self.files.len() + self.to_ask.len();
        match files <= MAX_FILES && self.bytes <= MAX_BYTES {
            true => Ok(()),
            false => Err(ReflectionError::TooMany),
        }
    }

    /// What the service has told.
    ///
    /// # Errors
    /// When it does not fit together.
    pub fn finish(self) -> Result<DescriptorPool, ReflectionError> {
        let set = FileSet {
            file: self.files.into_values().collect(),
        };
        of_file(&set.encode_to_vec())
    }
}

fn is_not_served(service: &str) -> bool {
    let package = service.rsplit_once('.').map(|(package, _)| package);
    package.is_some_and(|package| NOT_SERVED.contains(&package))
}

/// Descriptors out of a file, as `protoc --descriptor_set_out --include_imports` writes it.
///
/// # Errors
/// When it is none.
pub fn of_file(bytes: &[u8]) -> Result<DescriptorPool, ReflectionError> {
    DescriptorPool::decode(bytes).map_err(|error| ReflectionError::Inconsistent(error.to_string()))
}
