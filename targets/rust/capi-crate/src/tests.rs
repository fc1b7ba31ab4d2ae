//! Tests of what needs no library; what both executors of the C API observe is compared by `tests/slow` of the Python
//! side, and the tables of functions and ops by its `tests/unit`.

use crate::abi::{Hierarchy, Val, Vals};
use crate::doomed;
use crate::facts::Facts;
use crate::msgpack::Writer;
use crate::objects::number_for;
use crate::outcome::{Observation, Value, Values};

/// Facts with two shapes and hardly anything else.
fn facts() -> Facts {
    let mut bytes = Vec::new();
    let mut writer = Writer(&mut bytes);
    writer.array(17);
    writer.array(2);
    for (major, size) in [(36, 24), (37, 32)] {
        writer.array(11);
        writer.int(major);
        writer.int(size);
        (0..9).for_each(|_| writer.int(0));
    }
    (0..2).for_each(|_| writer.array(0));
    writer.array(1);
    writer.text("object used with wrong store");
    writer.text("a callback of the host ends in a trap");
    writer.array(9);
    (0..7).for_each(|_| writer.0.extend([0xc4, 0]));
    writer.array(0); // modules of linked instances
    writer.array(2); // modules that take the places of forgotten types
    (0..2).for_each(|_| writer.0.extend([0xc4, 0]));
    (0..8).for_each(|_| writer.array(0));
    [8, 256, 400].into_iter().for_each(|number| writer.int(number));
    Facts::read(Box::leak(bytes.into_boxed_slice())).expect("these are facts")
}

#[test]
fn a_release_has_the_shape_of_its_major_version_and_a_new_one_the_newest() {
    let facts = facts();
    let size_of = |major| facts.shape_of(major).map(|shape| (shape.major, shape.val_size));
    assert_eq!(size_of(36), Some((36, 24)));
    assert_eq!(size_of(99), Some((99, 32)));
    assert_eq!(size_of(35), None);
}

#[test]
fn values_in_a_row_are_as_far_apart_as_the_release_wants() {
    for stride in [24, 32] {
        let mut row = Vals::<3>::new(stride);
        row.set(2, Val::i32(-1));
        // SAFETY: a row of three values of that many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(row.as_ptr().cast::<u8>(), 3 * stride) };
        let kinds: Vec<u8> = bytes.iter().step_by(stride).copied().collect();
        assert_eq!(kinds, [Hierarchy::Extern as u8, Hierarchy::Extern as u8, 0]);
        assert_eq!(bytes[2 * stride + 8..2 * stride + 16], [255, 255, 255, 255, 0, 0, 0, 0]);
    }
}

#[test]
fn numbers_of_fields_are_stored_as_the_model_says() {
    let cases = [("i32", -1, -1), ("i64", 1, 0x1_0000_0001), ("f32", 0x7fff_ffff, 0xff_ffff), ("f64", 7, 7)];
    for (storage, number, stored) in cases {
        assert_eq!(number_for(storage, number).to_number(), stored, "{storage}");
    }
}

#[test]
fn panics_are_found_in_what_was_printed() {
    let facts = facts();
    let found = |text| doomed::panic_in(&facts, text).map(String::from);
    let wrong = "\nthread '<unnamed>' panicked at src/x.rs:9:5:\nobject used with wrong store, 3\nnote: run with";
    assert_eq!(found(wrong).as_deref(), Some("panic:object used with wrong store"));
    assert_eq!(found("thread 'main' panicked at 'boom', src/x.rs:9:5").as_deref(), Some("panic:boom"));
    assert_eq!(found("Segmentation fault"), None);
}

#[test]
fn empty_fields_at_the_end_of_an_observation_are_left_out() {
    let written = |observation: Observation| {
        let mut bytes = Vec::new();
        observation.write(&mut Writer(&mut bytes));
        bytes
    };
    assert_eq!(written(Observation::DONE), b"\x91\xa2ok");
    assert_eq!(written(Observation::NONE), b"\x92\xa2ok\x91\xc0");
    assert_eq!(written(Observation { finalized: vec![7], ..Observation::DONE }), b"\x93\xa2ok\x90\x91\x07");
    let trace = vec![Value::Int(3), Value::I31(5), Value::Note(-1), Value::Gone(2), Value::Passed(4)];
    let stopped = Observation { values: Values::Many(trace), ..Observation::ended("trap:fuel") };
    assert_eq!(written(stopped), b"\x92\xa9trap:fuel\x95\x03\xa5i31:5\xa4n:-1\xa3f:2\xa3p:4");
}
