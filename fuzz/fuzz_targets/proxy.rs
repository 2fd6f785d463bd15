//! A life of a client's connection.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| polity_fuzz::proxy(input));
