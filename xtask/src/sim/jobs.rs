//! Many simulations at once, on as many threads as there are cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::anyhow;

/// What `work` makes of each of `jobs`, in their order.
pub(super) fn run<J: Sync, R: Send>(
    jobs: &[J],
    work: impl Fn(&J) -> R + Sync,
) -> anyhow::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(place) else {
                return done;
            };
            done.push((place, work(job)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut done = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        for thread in threads {
            let theirs = thread
                .join()
                .map_err(|_| anyhow!("a simulation panicked"))?;
            done.extend(theirs);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..100).collect();
        let expected: Vec<u64> = jobs.iter().map(|it| it * it).collect();
        assert_eq!(super::run(&jobs, |it| it * it).ok(), Some(expected));
    }
}
