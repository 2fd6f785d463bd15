//! The count is never off, and never above the limit by those that stay.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Take,
    Leave(usize),
    Panic(usize),
    Limit(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Take),
        2 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::Panic),
        1 => (0u64..12).prop_map(Step::Limit),
    ]
}

proptest! {
    #[test]
    fn the_count_is_that_of_the_places_taken(steps in prop::collection::vec(step(), 0..200)) {
        let bulkhead = Arc::new(Bulkhead::default());
        let mut places: Vec<Place<Arc<Bulkhead>>> = Vec::new();
        let mut limit = 4;
        for step in steps {
            match step {
                Step::Take => {
                    let place = Place::take(bulkhead.clone(), limit);
                    prop_assert_eq!(place.is_ok(), (places.len() as u64) < limit);
                    places.extend(place);
                }
                Step::Leave(_) | Step::Panic(_) if places.is_empty() => {}
                Step::Leave(index) => drop(places.swap_remove(index % places.len())),
                Step::Panic(index) => {
                    let place = places.swap_remove(index % places.len());
                    let task = catch_unwind(AssertUnwindSafe(move || {
                        let _place = place;
                        std::panic::resume_unwind(Box::new("on purpose"));
                    }));
                    prop_assert!(task.is_err());
                }
                // As a reload does: those inside stay.
                Step::Limit(to) => limit = to,
            }
            prop_assert_eq!(bulkhead.count(), places.len() as u64);
        }
    }
}

#[test]
fn the_last_place_goes_to_one_thread() {
    let bulkhead = Arc::new(Bulkhead::default());
    for _ in 0..200 {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let bulkhead = bulkhead.clone();
                std::thread::spawn(move || Place::take(bulkhead, 1))
            })
            .collect();
        let places: Vec<_> = threads
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect();
        assert!(places.iter().filter(|place| place.is_ok()).count() <= 1);
    }
    assert_eq!(bulkhead.count(), 0);
    assert!(Place::take(bulkhead, 1).is_ok());
}
