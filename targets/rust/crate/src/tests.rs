//! Tests of what needs no program: the wire and the kit against fixtures that the Python side shares, outcomes, panic
//! texts.

use std::path::PathBuf;

use wasmtime::{StorageType, Val, ValType};

use crate::compat;
use crate::effects::Effects;
use crate::engine::{Environments, Options};
use crate::kit;
use crate::lru::Lru;
use crate::msgpack::{Malformed, Reader, Writer};
use crate::ops::OpKind;
use crate::outcome::{bytes_needed, Observer, Reply, Stop, Value};
use crate::panics;
use crate::wire::{self, Codes, Order, Program};

/// The folder of fixtures of the checkout that is tested, which need not be the one that this was compiled in.
fn fixtures() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where")).join("../../../tests/fixtures")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = fixtures().join("wire").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The body of a fixture's only frame.
fn body(name: &str) -> Vec<u8> {
    let bytes = fixture(name);
    let mut source = bytes.as_slice();
    let mut body = Vec::new();
    assert!(wire::read_frame(&mut source, &mut body).unwrap());
    assert!(!wire::read_frame(&mut source, &mut Vec::new()).unwrap(), "{name} is one frame");
    body
}

fn codes() -> Codes {
    match wire::decode_order(&body("hello.bin")).unwrap() {
        Order::Hello(request) => request.codes,
        Order::Batch { .. } => panic!("hello.bin is no batch"),
    }
}

fn programs(name: &str) -> (i64, Vec<Program>) {
    let body = body(name);
    let Order::Batch { id, mut programs } = wire::decode_order(&body).unwrap() else { panic!("{name} is no batch") };
    let (codes, mut found) = (codes(), Vec::new());
    loop {
        let mut program = Program::default();
        if !programs.next_into(&codes, &mut program).unwrap() {
            return (id, found);
        }
        found.push(program);
    }
}

fn encoded(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Writer(&mut bytes));
    bytes
}

#[test]
fn handshakes_may_name_a_progress_file() {
    for (progress, length) in [(None, 1), (Some("/tmp/x"), 2)] {
        let bytes = encoded(|writer| {
            writer.array(2);
            writer.text("hello");
            writer.map(length);
            writer.text("wire");
            writer.int(wire::WIRE_VERSION);
            if let Some(path) = progress {
                writer.text("progress");
                writer.text(path);
            }
        });
        let Order::Hello(request) = wire::decode_order(&bytes).unwrap() else { panic!("it is a handshake") };
        assert_eq!(request.progress.as_deref(), progress);
    }
}

#[test]
fn batches_are_read_in_any_msgpack_form() {
    let (id, short) = programs("batch.bin");
    assert_eq!((id, short.len(), short[0].number, short[0].limit), (7, 1, 0xffff_fffa, -1));
    let (id, wide) = programs("wide.bin");
    assert_eq!((id, wide.len(), wide[0].number, wide[0].slots), (3, 1, 5, 1));
    let kinds = |program: &Program| program.ops.iter().map(|op| op.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&short[0])[..2], [OpKind::Sync, OpKind::Gc]);
    assert_eq!(kinds(&wide[0])[..2], [OpKind::Sync, OpKind::Gc]);
    assert_eq!(programs("empty.bin").1.len(), 0);
}

#[test]
fn whatever_is_cut_off_is_refused() {
    let whole = body("batch.bin");
    for length in 0..whole.len() {
        let cut = &whole[..length];
        let refused = match wire::decode_order(cut) {
            Err(_) => true,
            Ok(Order::Hello(_)) => false,
            Ok(Order::Batch { mut programs, .. }) => programs.next_into(&codes(), &mut Program::default()).is_err(),
        };
        assert!(refused, "{length} bytes of {}", whole.len());
    }
    let frame = fixture("batch.bin");
    for length in 1..frame.len() {
        assert!(wire::read_frame(&mut &frame[..length], &mut Vec::new()).is_err(), "{length} bytes");
    }
}

#[test]
fn a_wild_length_is_refused_before_memory_is_taken() {
    assert!(wire::read_frame(&mut [0xff; 8].as_slice(), &mut Vec::new()).is_err());
}

#[test]
fn numbers_come_back_as_they_went() {
    let mut edges = vec![i64::MIN, i64::MAX, 0];
    for bits in 0..63 {
        let power = 1_i64 << bits;
        edges.extend([power - 1, power, power + 1, -power - 1, -power, -power + 1]);
    }
    for number in edges {
        let bytes = encoded(|writer| writer.int(number));
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.int(), Ok(number));
        assert!(reader.is_empty());
    }
}

#[test]
fn other_values_are_skipped_whole() {
    let bytes = encoded(|writer| {
        writer.map(1);
        writer.text(&"x".repeat(300));
        writer.array(2);
        writer.nil();
        writer.bool(true);
        writer.int(-1);
    });
    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.skip(), Ok(()));
    assert_eq!(reader.int(), Ok(-1));
    assert!(Reader::new(&[0x91; 100]).skip().is_err(), "nests too deep");
    assert_eq!(Reader::new(&[0xc1]).int(), Err(Malformed("a number was expected")));
}

/// A result with every kind of field; `tests/unit/rust` reads the same bytes.
#[test]
fn results_are_the_frames_that_python_reads() {
    let observer = Observer { exact: true };
    let none = Effects::default;
    let outcomes = [
        (Ok(Reply::Done), none()),
        (Err(Stop::Empty), none()),
        (Ok(Reply::Two([Value::Text("i31"), Value::Int(0x7fff_ffff)])), none()),
        (Ok(Reply::NONE), none()),
        (Ok(Reply::One(Value::Bool(true))), none()),
        (Ok(Reply::Done), Effects { finalized: vec![0, 300], limiter: vec![] }),
        (Err(Stop::OutOfMemory { needed: 32 }), Effects { finalized: vec![], limiter: vec![(0, 0), (0, 65536)] }),
        (Err(Stop::OutOfMemory { needed: 16 }), none()),
    ];
    let mut out = Vec::new();
    wire::write_frame(&mut out, |writer| {
        let place = wire::begin_result(writer, 7, 3);
        let count = outcomes.len() as u32 + 1;
        for (outcome, effects) in outcomes {
            assert!(observer.write(writer, outcome, &effects).is_ok());
        }
        observer.write_panic(writer, "panic:object used with wrong store", &none());
        writer.set_array(place, count);
    });
    assert_eq!(out, fixture("result.bin"));
}

#[test]
fn portable_observations_say_nothing_of_the_limiter() {
    let effects = Effects { finalized: vec![], limiter: vec![(0, 0)] };
    let bytes = encoded(|writer| {
        let refused = Err(Stop::OutOfMemory { needed: 32 });
        assert!(Observer { exact: false }.write(writer, refused, &effects).is_ok());
    });
    assert_eq!(bytes, b"\x91\xa7err:oom");
}

#[test]
fn panics_are_canonical() {
    assert_eq!(panics::outcome("at x.rs: object used with wrong store!"), "panic:object used with wrong store");
    assert_eq!(panics::outcome("\nfirst\nsecond"), "panic:first");
    assert_eq!(panics::outcome(""), "panic:no message");
    assert_eq!(panics::outcome(&"é".repeat(1000)).chars().count(), 400);
}

#[test]
fn needed_bytes_are_in_the_text() {
    assert_eq!(bytes_needed("GC heap out of memory: no capacity for allocation of 32 bytes"), 32);
    assert_eq!(bytes_needed("nothing"), 0);
}

#[test]
fn every_op_kind_has_a_name_of_its_own() {
    for kind in OpKind::ALL {
        assert_eq!(OpKind::named(kind.name()), Some(*kind));
    }
}

/// `tests/unit/rust` compares the same listing with the model's tables.
#[test]
fn the_types_of_the_kit_are_those_of_the_model() {
    let engine = Environments::new(Options { collector: compat::COLLECTORS[0], zeal: None }).get(0).unwrap();
    let expected = std::fs::read_to_string(fixtures().join("kit.txt")).unwrap();
    assert_eq!(engine.compiled().unwrap().types.listing(), expected);
}

#[test]
fn numbers_of_fields_are_stored_as_the_model_says() {
    let cases = [
        (StorageType::I8, 300, 44),
        (StorageType::I16, 0x1_8001, 0x8001),
        (StorageType::ValType(ValType::I32), 0x7fff_ffff, 0x7fff_ffff),
        (StorageType::ValType(ValType::I64), 1, 0x1_0000_0001),
        (StorageType::ValType(ValType::F32), 0x7fff_ffff, 0xff_ffff),
        (StorageType::ValType(ValType::F64), 0x7fff_ffff, 0x7fff_ffff),
    ];
    for (storage, number, stored) in cases {
        assert_eq!(kit::number_of(&storage, &kit::number_for(&storage, number)), Some(stored), "{storage}");
    }
    assert_eq!(kit::number_of(&StorageType::I8, &Val::null_any_ref()), None);
}

#[test]
fn bodies_come_as_a_text_and_a_module() {
    let body = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = encoded(|writer| {
            writer.array(3);
            writer.text("batch");
            writer.int(1);
            writer.array(1);
            writer.array(7);
            [3, -1, 0, 1, 0].into_iter().for_each(|number| writer.int(number));
            writer.array(0);
            writer.array(1);
            writer.array(2);
            writer.text("(body)");
        });
        write(&mut bytes);
        bytes
    };
    for head in [&[0xc4, 2][..], &[0xc5, 0, 2], &[0xc6, 0, 0, 0, 2]] {
        let bytes = body(&|bytes| bytes.extend([head, &[7, 8]].concat()));
        let Order::Batch { mut programs, .. } = wire::decode_order(&bytes).unwrap() else { panic!("it is a batch") };
        let mut program = Program::default();
        assert!(programs.next_into(&codes(), &mut program).unwrap());
        assert_eq!(program.bodies[0].module, [7, 8]);
        assert!(program.bodies[0].far.is_empty());
    }
    let bytes = body(&|bytes| bytes.push(0xc0));
    let Order::Batch { mut programs, .. } = wire::decode_order(&bytes).unwrap() else { panic!("it is a batch") };
    assert!(programs.next_into(&codes(), &mut Program::default()).is_err());
}

#[test]
fn a_trace_is_written_as_words_and_values() {
    let trace = vec![Value::Int(3), Value::I31(0x7fff_ffff), Value::Note(-1), Value::Gone(2), Value::Text("null")];
    let stop = Stop::Ended { outcome: "trap:cast", trace, needed: 0 };
    let bytes =
        encoded(|writer| assert!(Observer { exact: true }.write(writer, Err(stop), &Effects::default()).is_ok()));
    assert_eq!(bytes, b"\x92\xa9trap:cast\x95\x03\xaei31:2147483647\xa4n:-1\xa3f:2\xa4null");
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let mut kept = Lru::new(3);
    assert_eq!(kept.insert(0, b"a", 'a'), None);
    assert!(kept.crowded().is_empty());
    assert_eq!(kept.insert(2, b"a", 'b'), None);
    assert_eq!(kept.crowded(), [0, 2]);
    assert_eq!(kept.insert(0, b"c", 'c'), None);
    assert_eq!(kept.get(0, b"a"), Some(&'a'));
    assert_eq!(kept.insert(0, b"d", 'd'), Some('b'));
    assert_eq!(kept.crowded(), [0]);
    assert_eq!(kept.get(2, b"a"), None);
    assert_eq!(kept.get(1, b"a"), None);
    assert_eq!(kept.insert(1, b"a", 'e'), Some('c'));
    assert_eq!(kept.take(0), [(b"a".to_vec(), 'a'), (b"d".to_vec(), 'd')]);
    assert_eq!(kept.take(0), []);
    assert_eq!((kept.crowded(), kept.get(1, b"a")), (vec![], Some(&'e')));
}
