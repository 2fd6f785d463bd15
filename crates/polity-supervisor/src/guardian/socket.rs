//! Bytes and file descriptors over a Unix socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The most descriptors that go with one frame: standard output and error.
pub(super) const MAX_DESCRIPTORS: usize = 2;

/// Sends what it can of `bytes`, with `descriptors` attached to the first of them.
///
/// # Errors
/// `WouldBlock` when nothing was sent, neither bytes nor descriptors; else as `sendmsg(2)`.
pub(super) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let slices = [IoSlice::new(bytes)];
    let sent = rustix::io::retry_on_intr(|| {
        sendmsg(&socket, &slices, &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    Ok(sent)
}

/// Receives what is there, up to `buffer`'s length; descriptors are queued in the order they were
/// sent and closed on exec. 0 is the end of the stream.
///
/// # Errors
/// As `recvmsg(2)`.
pub(super) fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match recvmsg(&socket, &mut slices, &mut ancillary, flags) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn descriptors_arrive_in_the_order_sent() {
        let (near, far) = UnixStream::pair().expect("a pair");
        let pipes: Vec<_> = (0..4).map(|_| io::pipe().expect("a pipe")).collect();
        for two in pipes.chunks(2) {
            let descriptors = [two[0].1.as_fd(), two[1].1.as_fd()];
            assert_eq!(send(&near, b"hi", &descriptors).expect("sent"), 2);
        }
        let mut got = VecDeque::new();
        let mut buffer = [0; 16];
        let mut bytes = 0;
        while bytes < 4 {
            bytes += receive(&far, &mut buffer, &mut got).expect("received");
        }
        for (index, descriptor) in got.into_iter().enumerate() {
            let mut end = std::fs::File::from(descriptor);
            write!(end, "{index}").expect("written");
        }
        for (index, (mut reader, writer)) in pipes.into_iter().enumerate() {
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).expect("read");
            assert_eq!(text, index.to_string());
        }
    }
}
