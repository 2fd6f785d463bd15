//! One connection to a broker: a request goes out, its answer comes back.

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Error;

/// A broker that is there answers sooner, also to what it has to write down first.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The largest answer that is read: a fetch asks for much less.
const MAX_ANSWER: usize = 128 * 1024 * 1024;

const CLIENT_ID: &str = "polity";

/// A connection on which one request at a time is answered.
#[derive(Debug)]
pub struct Connection {
    address: String,
    stream: TcpStream,
    correlation_id: i32,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self, Error> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = in_time(connecting).await;
        Ok(Self {
            address: address.to_owned(),
            stream: stream.map_err(|source| unreachable_at(address, source))?,
            correlation_id: 0,
        })
    }

    /// Asks in this version of the API.
    pub async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, Error> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = self.frame(version, request)?;
        let mut answer = in_time(self.exchange(&frame))
            .await
            .map_err(|source| unreachable_at(&self.address, source))?;
        let header = R::Response::header_version(version);
        let header = ResponseHeader::decode(&mut answer, header);
        let header = header.map_err(|error| self.nonsense(&error))?;
        if header.correlation_id != self.correlation_id {
            return Err(self.nonsense(&"it answers another question"));
        }
        R::Response::decode(&mut answer, version).map_err(|error| self.nonsense(&error))
    }

    fn frame<R: Request>(&self, version: i16, request: &R) -> Result<BytesMut, Error> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header
            .encode(&mut frame, R::header_version(version))
            .and_then(|()| request.encode(&mut frame, version))
            .map_err(|error| self.nonsense(&error))?;
        let length = i32::try_from(frame.len() - 4).map_err(|error| self.nonsense(&error))?;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        Ok(frame)
    }

    async fn exchange(&mut self, frame: &[u8]) -> io::Result<Bytes> {
        self.stream.write_all(frame).await?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_ANSWER {
            let error = format!("an answer of {length} bytes, more than is ever asked for");
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        // It grows with what comes and not with what is promised.
        let mut answer = BytesMut::new();
        while answer.len() < length {
            let missing = length - answer.len();
            if (&mut self.stream)
                .take(missing as u64)
                .read_buf(&mut answer)
                .await?
                == 0
            {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(answer.copy_to_bytes(length))
    }

    fn nonsense(&self, what: &dyn std::fmt::Display) -> Error {
        Error::Nonsense {
            address: self.address.clone(),
            what: what.to_string(),
        }
    }
}

fn unreachable_at(address: &str, source: io::Error) -> Error {
    Error::Unreachable {
        address: address.to_owned(),
        source,
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(TIMEOUT, work).await {
        Ok(done) => done,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
