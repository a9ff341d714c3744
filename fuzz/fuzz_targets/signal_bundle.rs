//! Fuzzes one decoder of the Signal protocol; see `tacite_signal::hazmat::decoders`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = tacite_signal::hazmat::decoders::bundle(bytes);
});
