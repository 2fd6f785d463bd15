//! The permission to send a body, for clients that ask for it (`Expect: 100-continue`; RFC 9110, section 10.1.1).
//!
//! The expectation is passed on, and so is the origin's 100: it is the origin that can refuse the
//! body. Many servers know no expectations and wait for the body without a word, though, and some
//! clients wait for the word without end. So after [`crate::limits::Timeouts::permission`] it is
//! given here. However often the request is tried, the client gets one.

use super::exchange::Exchanging;
use crate::policy::Policy;
use crate::stream::{Dial, Stream};

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// Whether the client may be waiting for the permission. One that has begun to send is not.
    pub(super) fn awaits_permission(&self) -> bool {
        self.traits.expects_continue
            && !self.permitted
            && self.sending.bytes() == 0
            && self.sending.unused(self.input) == 0
    }

    /// Gives the permission.
    pub(super) fn permit(&mut self) {
        self.permitted = true;
        let out = self.to_client.buffer();
        out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
}
