//! The same, to its answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| polity_fuzz::kafka_answer(input));
