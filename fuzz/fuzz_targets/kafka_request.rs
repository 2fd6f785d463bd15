//! A request of any of the Kafka protocol's APIs, to the types of its API.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| polity_fuzz::kafka_request(input));
