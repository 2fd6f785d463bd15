//! One connection to a broker: requests out, answers back in their order.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Of an answer, without its length: more than a fetch asks for.
const MOST: u32 = 128 << 20;
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("could not connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The same connection, to write from another thread.
    pub(super) fn writer(&self) -> io::Result<TcpStream> {
        self.stream().try_clone()
    }

    pub(super) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    /// Whether an answer has come with the one before, or its beginning.
    pub(super) fn has_more(&self) -> bool {
        !self.0.buffer().is_empty()
    }

    /// Sends a request that has its length before it.
    pub(super) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(frame)
    }

    /// The next answer, without its length.
    pub(super) fn receive(&mut self) -> anyhow::Result<Bytes> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).context("no answer came")?;
        let length = u32::from_be_bytes(length);
        ensure!(length <= MOST, "an answer of {length} bytes");
        let mut answer = Vec::with_capacity(length as usize);
        let came = (&mut self.0).take(length.into()).read_to_end(&mut answer)?;
        ensure!(came == length as usize, "an answer was cut off");
        Ok(answer.into())
    }

    pub(super) fn ask<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> anyhow::Result<R::Response> {
        self.send(&frame(request, version)?)?;
        decode::<R>(self.receive()?, version)
    }
}

/// A request with its length and header. Its correlation id is 0: answers come in order.
pub(super) fn frame<R: Request>(request: &R, version: i16) -> anyhow::Result<BytesMut> {
    let mut frame = BytesMut::new();
    frame.put_u32(0);
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("polity-bench")))
        .encode(&mut frame, R::header_version(version))?;
    request.encode(&mut frame, version)?;
    let length = u32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// What an answer says.
pub(super) fn decode<R: Request>(mut answer: Bytes, version: i16) -> anyhow::Result<R::Response> {
    ResponseHeader::decode(&mut answer, R::Response::header_version(version))?;
    R::Response::decode(&mut answer, version)
}
