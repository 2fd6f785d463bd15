//! How busy the endpoints of a service are together.

use crate::Moment;
use crate::endpoint::Endpoint;
use crate::signal::Signal;

/// Endpoints of which a count may be a millisecond older, so that counting stays a small part of what is
/// done for requests.
const ENDPOINTS_PER_MS: usize = 1_000;

/// Requests in flight for each unit of weight, one more than there are.
///
/// Counted now and then by looking at all endpoints. A sum kept by all requests would be exact, but two
/// writes by every thread to one word for each request; a sample would be wrong where a bound matters,
/// when a few endpoints have most requests.
#[derive(Debug, Default)]
pub(crate) struct MeanLoad(Signal);

impl MeanLoad {
    /// Of this millisecond, or with very many endpoints of a few earlier; none if it was not counted then.
    pub(crate) fn recent(&self, endpoints: usize, now: Moment) -> Option<f32> {
        let (mean, age) = self.0.raw(now);
        let is_recent = age as usize <= endpoints / ENDPOINTS_PER_MS;
        (is_recent && mean > 0.0).then_some(mean)
    }

    /// Of now, of these.
    pub(crate) fn count<'a>(
        &self,
        endpoints: impl Iterator<Item = &'a Endpoint>,
        now: Moment,
    ) -> f32 {
        let (mut in_flight, mut weight) = (1, 0);
        for endpoint in endpoints {
            in_flight += endpoint.look().in_flight();
            weight += u64::from(endpoint.weight());
        }
        let mean = in_flight as f32 / weight.max(1) as f32;
        self.0.set(mean, now);
        mean
    }
}
