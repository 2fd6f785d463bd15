//! However many hold on to their places, there is room for one more.

use proptest::prelude::*;

use super::*;

/// What each of `hogs` holds once all that give nothing back have taken, in turn, what they are given.
fn fill(room: Room, hogs: usize) -> Vec<u64> {
    let (mut held, mut beyond) = (vec![0u64; hogs], vec![0u64; hogs]);
    loop {
        let mut was_given = false;
        for hog in 0..hogs {
            let taken = held.iter().sum::<u64>() + 1;
            let share = room.share(taken);
            if taken > room.places || share.is_some_and(|share| beyond[hog] >= share) {
                continue;
            }
            held[hog] += 1;
            beyond[hog] += u64::from(share.is_some());
            was_given = true;
        }
        if !was_given {
            return held;
        }
    }
}

fn check(common: f64, hogs: usize, each: u64) {
    let held = fill(Room::new(1200, common), hogs);
    assert!(held.iter().all(|held| held.abs_diff(each) <= 1), "{held:?}");
}

#[test]
fn one_that_hangs_leaves_half_of_what_is_not_common() {
    check(0.5, 1, 900);
    check(0.0, 1, 600);
    check(1.0, 1, 1200);
}

#[test]
fn several_that_hang_leave_as_much_as_each_of_them_has_of_it() {
    check(0.5, 2, 500);
    check(0.0, 2, 400);
    check(0.0, 5, 200);
}

proptest! {
    #[test]
    fn what_stays_free_is_the_share_of_one_more(
        places in 1u64..2000, common in 0.0f64..1.0, hogs in 1usize..12
    ) {
        let room = Room::new(places, common);
        let free = places - fill(room, hogs).iter().sum::<u64>();
        let share = (places - room.common) / (hogs as u64 + 1);
        prop_assert!(free >= share.saturating_sub(1), "{free} of {share}");
        prop_assert!(free <= share + hogs as u64);
    }

    #[test]
    fn the_last_place_can_be_had(places in 1u64..50, common in 0.0f64..1.0) {
        // By somebody who has none beyond the common ones.
        let share = Room::new(places, common).share(places);
        prop_assert!(share.is_none_or(|share| share >= 1));
    }
}
