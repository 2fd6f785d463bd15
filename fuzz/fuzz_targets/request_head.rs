//! The head of a request.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| polity_fuzz::request_head(input));
