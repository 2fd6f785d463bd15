//! The head of an answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| polity_fuzz::answer_head(input));
