//! Requests for files.

use polity_http::Here;

use super::Exchange;
use crate::destination::Destination;
use crate::problem::{Cause, Reached};

impl Exchange {
    /// Has the file looked for that the request asks for, once.
    pub(super) fn look_in_site(&mut self) -> Here {
        if let Destination::Site { site, asked, .. } = &mut self.destination
            && let Some(mut asked) = asked.take()
        {
            let rng = &mut *self.thread.rng.borrow_mut();
            asked.identify(self.request_id.as_str(), self.hsts.clone(), rng);
            return Here::Later(site.clone().find(*asked));
        }
        let detail = "the file was looked for before";
        self.give(Cause::FileUnreadable, Reached::No, detail).into()
    }

    /// Whether files are what it is for.
    pub(super) fn is_for_files(&self) -> bool {
        matches!(self.destination, Destination::Site { .. })
    }
}
