//! A body in chunks.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| polity_fuzz::chunked(input));
