//! Known chunks, and objects from any chunks.

use rand_core::Rng;

use super::{Collector, encode};
use crate::{
    codec::{Reader, Writer},
    test_support::{array, pattern, rng, vectors},
};

#[test]
fn vectors_of_chunks() {
    let vector = vectors("erasure");
    for (object, chunks) in [(pattern(5, 96), "chunks96"), (pattern(6, 1152), "chunks1152")] {
        for (index, chunk) in vector[chunks].as_object().unwrap() {
            assert_eq!(encode(&object, index.parse().unwrap()), array(chunk), "chunk {index} of {chunks}");
        }
    }
}

#[test]
fn any_chunks_that_are_enough_give_the_object() {
    let mut rng = rng(1);
    for length in [96, 160, 960, 1152] {
        let object = pattern(11, length);
        for round in 0..10 {
            let mut collector = Collector::new(length);
            let mut decoded = None;
            while decoded.is_none() {
                let index = if round == 0 {
                    u16::MAX - (rng.next_u32() % 100) as u16
                } else {
                    (rng.next_u32() % 120) as u16
                };
                decoded = collector.add(index, &encode(&object, index));
            }
            assert_eq!(decoded, Some(object.clone()));
        }
    }
}

#[test]
fn one_chunk_too_few_is_not_enough_and_repetitions_do_not_count() {
    let object = pattern(3, 96);
    let mut collector = Collector::new(96);
    for index in [7, 33, 7, 33] {
        assert_eq!(collector.add(index, &encode(&object, index)), None);
    }
    assert_eq!(collector.add(7, &[0xFF; 32]), None, "the first chunk of an index counts");
    assert_eq!(collector.add(59, &encode(&object, 59)), Some(object));
}

#[test]
fn a_stored_collection_is_incomplete_and_without_repetitions() {
    let mut writer = Writer::with_capacity(0);
    let mut collector = Collector::new(96);
    collector.add(4, &[1; 32]);
    collector.add(2, &[2; 32]);
    collector.write(&mut writer);
    let bytes = writer.finish();
    assert_eq!(Collector::read(&mut Reader::new(&bytes), 96), Ok(collector));
    assert!(Collector::read(&mut Reader::new(&bytes), 64).is_err(), "two chunks of two are complete");
    let mut repeated = bytes.to_vec();
    repeated[36] = 4;
    assert!(Collector::read(&mut Reader::new(&repeated), 96).is_err());
}
