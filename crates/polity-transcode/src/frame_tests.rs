//! Tests of frames.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_compressed_or_too_long_is_refused() {
    let mut compressed = Frames::default();
    compressed.push(&[1, 0, 0, 0, 0]);
    assert_eq!(compressed.take().expect_err("refused").code, Code::INTERNAL);
    let mut long = Frames::default();
    long.push(&[0, 0xff, 0, 0, 0]);
    assert_eq!(
        long.take().expect_err("refused").code,
        Code::RESOURCE_EXHAUSTED
    );
}

proptest! {
    #[test]
    fn messages_come_whole_however_they_are_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        cut in 1usize..20,
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for part in stream.chunks(cut) {
            frames.push(part);
            while let Some(message) = frames.take().expect("it is in order") {
                found.push(message.to_vec());
            }
        }
        prop_assert_eq!(found, messages);
        prop_assert!(!frames.is_cut_short());
        frames.push(&[0]);
        prop_assert_eq!(frames.take(), Ok(None));
        prop_assert!(frames.is_cut_short());
    }
}
