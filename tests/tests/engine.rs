//! No component can crash, hang, starve or bloat the host: one test for each bound of the engine, at its
//! edge and beyond.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]
#![allow(clippy::disallowed_methods, reason = "deadlines pass in real time")]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rstest::rstest;
use thermocline::layer::{Key, Layer, LayerMetadata, LayerName, LayerTable, Lsn, TimelineId};
use thermocline::policy::{
    Called, DueUpload, Engine, Level, Limits, NO_CONFIG, Policy, PolicyError, PolicyErrorKind, Ranking, Selection,
    Step, UploadQueue,
};
use thermocline_policy::{Marks, Selection as Answer, Tenant};
use thermocline_tests::by_hand::ByHand;

/// Limits as in production, but for the time that tests of endless loops take.
fn limits() -> Limits {
    Limits { time: Duration::from_millis(300), ..Limits::default() }
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(limits()).unwrap());

fn table(rows: u64) -> Arc<LayerTable> {
    let mut builder = LayerTable::builder();
    for row in 0..rows {
        builder.layer(Layer {
            timeline: TimelineId::from_bytes([7; 16]),
            name: LayerName::image(Key::MIN, Key::MAX, Lsn(row + 1)),
            metadata: LayerMetadata::default(),
            access_time: 0,
            access_count: 0,
            resident_since: None,
            marks: Marks::RESIDENT | Marks::VISIBLE,
        });
    }
    Arc::new(builder.build().unwrap())
}

fn tenant() -> Tenant {
    Tenant { shard: "1f359dd625e519a1a4e8d7509690f6fc".into(), generation: 1, now: 0, checkpoint_distance: 1 << 28 }
}

fn load(component: ByHand) -> Result<Policy, PolicyError> {
    Policy::load(&ENGINE, &component.build().unwrap(), NO_CONFIG)
}

fn select(component: ByHand, rows: u64) -> Result<Called<Selection>, PolicyError> {
    load(component).unwrap().select(&tenant(), &table(rows), &[])
}

fn rank(component: ByHand, rows: usize) -> Result<Called<Ranking>, PolicyError> {
    let queue = UploadQueue::from_iter(vec![DueUpload::default(); rows]);
    load(component).unwrap().rank_uploads(0, &Arc::new(queue))
}

#[test]
fn a_policy_that_behaves_is_answered_for() {
    let policy = load(ByHand::new()).unwrap();
    assert_eq!(policy.identity().name(), Some("by-hand"));
    assert_eq!(policy.description().summary, "Written by hand.");
    assert_eq!(policy.shape().exports, ["describe", "configure", "select", "rank-uploads"]);
    let called = policy.select(&tenant(), &table(3), &[1, 2]).unwrap();
    assert_eq!(called.answer, Selection::default());
    let queue = Arc::new(UploadQueue::from_iter([DueUpload::default(); 2]));
    assert_eq!(policy.rank_uploads(0, &queue).unwrap().answer.order(), [0, 1]);
}

#[test]
fn an_answer_arrives_as_it_was_given() {
    let given = Answer {
        rows: vec![2, 0],
        cold_from: 1,
        heats: Some(vec![1.5, 0.0]),
        valid_for: Some(u64::MAX - 1),
        memory: b"remember".into(),
    };
    let called = select(ByHand::new().selects(&given), 3).unwrap();
    assert_eq!(called.answer, Selection::check(given, 3).unwrap());
    assert_eq!(rank(ByHand::new().ranks(&[1, 0]), 2).unwrap().answer.order(), [1, 0]);
}

const LOOP: &str = "(loop $again (br $again))";

#[rstest]
#[case::start(ByHand::new().start(LOOP), Step::Start)]
#[case::describe(ByHand::new().describe(format!("{LOOP} unreachable")), Step::Describe)]
#[case::configure(ByHand::new().configure(format!("{LOOP} unreachable")), Step::Configure)]
fn the_time_to_load_is_violated(#[case] component: ByHand, #[case] step: Step) {
    let began = Instant::now();
    let error = load(component).unwrap_err();
    assert_eq!(*error.kind(), PolicyErrorKind::Deadline { step, limit: limits().time });
    assert!(began.elapsed() >= limits().time);
}

#[rstest]
#[case::endless_loop(LOOP)]
#[case::endless_log("(loop $again (call $log (i32.const 0) (i32.const 0) (i32.const 1000)) (br $again))")]
#[case::endless_reading(
    "(loop $again (global.set $heap (i32.const 262144)) (call $ids (local.get $layers) (i32.const 0)) (br $again))"
)]
fn the_time_of_a_call_is_violated(#[case] code: &str) {
    let policy = load(ByHand::new().before_select(code)).unwrap();
    let error = policy.select(&tenant(), &table(10), &[]).unwrap_err();
    let limit = limits().time_for(10);
    assert_eq!(*error.kind(), PolicyErrorKind::Deadline { step: Step::Select, limit });
    assert!(error.report().elapsed >= limit, "stopped early: {:?}", error.report().elapsed);
    assert!(error.to_string().starts_with("policy by-hand 1.2.3 (sha256:"), "{error}");
    // Whoever comes next is not hurt.
    assert_eq!(rank(ByHand::new(), 1).unwrap().answer.order(), [0]);
}

#[test]
fn the_time_of_a_call_is_obeyed() {
    // Some hundred ticks of the clock pass in other calls; none of them counts against this one.
    std::thread::sleep(Duration::from_millis(400));
    let code = "(local $left i32) (local.set $left (i32.const 10000000))
        (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))";
    select(ByHand::new().before_select(code), 1).unwrap();
}

#[test]
fn the_depth_of_recursion_is_violated() {
    let deep = ByHand::new().field("(func $deep (call $deep) (call $deep))").before_select("(call $deep)");
    let error = select(deep, 1).unwrap_err();
    let PolicyErrorKind::Trap { step: Step::Select, reason, backtrace } = error.kind() else { panic!("{error}") };
    assert!(reason.contains("call stack exhausted"), "{reason}");
    assert_eq!(backtrace[0], "deep");
}

#[test]
fn the_depth_of_recursion_is_obeyed() {
    let code = "(func $deep (param i32)
        (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))";
    select(ByHand::new().field(code).before_select("(call $deep (i32.const 2000))"), 1).unwrap();
}

/// Pages that a call over one row may have, beside the sixteen that it starts with.
fn more_pages() -> usize {
    (limits().memory_for(1) / (64 << 10)) - 16 - 1
}

fn grow(pages: usize) -> String {
    format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))")
}

#[test]
fn the_limit_on_memory_is_obeyed() {
    let called = select(ByHand::new().before_select(&grow(more_pages())), 1).unwrap();
    assert!(called.report.memory_bytes > limits().memory_for(1) - (128 << 10));
}

#[test]
fn the_limit_on_memory_is_violated() {
    let error = select(ByHand::new().before_select(&grow(more_pages() + 2)), 1).unwrap_err();
    let PolicyErrorKind::Memory { step: Step::Select, wanted_bytes, limit_bytes } = *error.kind() else {
        panic!("{error}")
    };
    assert_eq!(limit_bytes, limits().memory_for(1));
    assert!(wanted_bytes > limit_bytes);
    assert!(error.to_string().contains("`select` was refused memory"), "{error}");
}

#[test]
fn a_policy_may_do_without_the_memory_it_was_refused() {
    let code = format!("(drop (memory.grow (i32.const {})))", more_pages() + 2);
    select(ByHand::new().before_select(&code), 1).unwrap();
}

#[test]
fn tables_count_as_memory() {
    let grow = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 15000)) (i32.const -1)) (then unreachable))";
    let component = || ByHand::new().field("(table $t 1 funcref)").before_select(grow);
    let called = select(component(), 1).unwrap();
    let without = select(ByHand::new(), 1).unwrap();
    assert!(called.report.memory_bytes >= without.report.memory_bytes + 15_000 * 8);
}

#[test]
fn the_size_of_a_table_is_violated() {
    let grow = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 20000)) (i32.const -1)) (then unreachable))";
    let error = select(ByHand::new().field("(table $t 1 funcref)").before_select(grow), 1).unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::Trap { step: Step::Select, .. }), "{error}");
}

#[test]
fn the_number_of_memories_in_a_module_is_violated() {
    let error = load(ByHand::new().field("(memory $second 1)")).unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::Invalid(_)), "{error}");
}

/// A component of `count` core modules with a memory each, which imports no more than tells its contract, and exports
/// nothing.
fn memories(count: usize) -> Vec<u8> {
    let module = "(core module $m (memory 1))";
    let instances = "(core instance (instantiate $m))".repeat(count);
    let contract = r#"(import "thermocline:policy/types@0.2.0" (instance))"#;
    wat::parse_str(format!("(component {contract} {module} {instances})")).unwrap()
}

#[rstest]
#[case::obeyed(4, "no export `configure` found")]
#[case::violated(5, "memories")]
fn the_number_of_memories_in_a_component(#[case] count: usize, #[case] why: &str) {
    let error = Policy::load(&ENGINE, &memories(count), NO_CONFIG).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
}

/// `component` with one more core module, which has a memory of `pages`, and an instance of it.
fn with_another_memory(component: ByHand, pages: usize) -> Vec<u8> {
    const CORE_MODULE: u8 = 1;
    const CORE_INSTANCE: u8 = 2;
    let mut bytes = component.build().unwrap();
    let modules = u8::try_from(sections(&bytes).filter(|id| *id == CORE_MODULE).count()).unwrap();
    let module = wat::parse_str(format!("(module (memory {pages}))")).unwrap();
    bytes.extend([CORE_MODULE, u8::try_from(module.len()).unwrap()]);
    bytes.extend(module);
    // One instance, by instantiating the module, without arguments.
    bytes.extend([CORE_INSTANCE, 4, 1, 0, modules, 0]);
    bytes
}

/// The ids of a component's sections.
fn sections(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = &bytes[8..];
    std::iter::from_fn(move || {
        let (id, mut body) = rest.split_first()?;
        let (mut len, mut shift) = (0, 0);
        loop {
            let (byte, behind) = body.split_first()?;
            body = behind;
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        rest = &body[len..];
        Some(*id)
    })
}

#[rstest]
#[case::obeyed(more_pages(), true)]
#[case::violated(more_pages() + 2, false)]
fn the_limit_on_memory_is_on_all_memories_together(#[case] pages: usize, #[case] loads: bool) {
    let bytes = with_another_memory(ByHand::new(), pages);
    match Policy::load(&ENGINE, &bytes, NO_CONFIG) {
        Ok(policy) => {
            assert!(loads);
            let called = policy.select(&tenant(), &table(1), &[]).unwrap();
            assert!(called.report.memory_bytes > (pages + 16) << 16);
        }
        Err(error) => {
            assert!(!loads, "{error}");
            assert!(matches!(error.kind(), PolicyErrorKind::Memory { step: Step::Start, .. }), "{error}");
        }
    }
}

#[test]
fn a_trap_names_what_it_was_in_and_what_was_logged_before() {
    let code = r#"(call $log (i32.const 2) (i32.const 512) (i32.const 3)) (call $outer)"#;
    let component = ByHand::new()
        .field(r#"(data (i32.const 512) "oh!") (func $inner unreachable) (func $outer (call $inner) (call $inner))"#);
    let error = select(component.before_select(code), 1).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("`select` crashed: wasm `unreachable` instruction executed in inner, called by outer"),
        "{message}"
    );
    assert!(message.ends_with("its last warning was: oh!"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

/// An answer with a list of `len` items at `at`.
fn wild_list(at: u32, len: u32) -> ByHand {
    let code = format!("(i32.store (i32.const 200) (i32.const {at})) (i32.store (i32.const 204) (i32.const {len}))");
    ByHand::new().before_select(&code)
}

#[test]
fn the_bytes_handed_over_are_obeyed_and_violated() {
    // What the limit grants a table of no rows, in rows: far more than there are, but not too much to look at.
    let granted = u32::try_from((limits().handed_bytes + 4096) / 4).unwrap();
    let pages = |component: ByHand| component.memory("(memory (export \"memory\") 64)");
    let error = select(pages(wild_list(0, granted)), 0).unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::Selection(_)), "{error}");
    let error = select(pages(wild_list(0, granted + 1)), 0).unwrap_err();
    assert!(error.to_string().contains("too much data"), "{error}");
}

#[test]
fn a_refusal_is_quoted_on_one_line_and_bounded() {
    let words = format!("no\n\u{1b}[31m{}", "x".repeat(2000));
    let error = select(ByHand::new().refuses_to_select(words.as_bytes()), 1).unwrap_err();
    let PolicyErrorKind::Refused { step: Step::Select, message } = error.kind() else { panic!("{error}") };
    assert!(message.starts_with(r"no\n\u{1b}[31mxxx"), "{message}");
    assert_eq!(message.len(), limits().message_bytes + "...".len());
}

#[test]
fn a_configuration_is_refused_in_the_words_of_the_policy() {
    let error = load(ByHand::new().refuses_to_configure(b"horizon must be a number")).unwrap_err();
    assert!(error.to_string().ends_with(r#"`configure` refused: "horizon must be a number""#), "{error}");
    assert_eq!(error.identity().name(), Some("by-hand"));
}

const WRITE_LINE: &str = "(call $log (i32.const 1) (i32.const 512) (i32.const 1))";

fn flood(lines: usize) -> ByHand {
    let code = format!(
        "(local $left i32) (local.set $left (i32.const {lines}))
        (loop $again {WRITE_LINE} (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))"
    );
    ByHand::new().field(r#"(data (i32.const 512) "a")"#).before_select(&code)
}

#[test]
fn the_limit_on_log_lines_is_obeyed() {
    let report = select(flood(limits().log_lines), 1).unwrap().report;
    assert_eq!((report.log.len(), report.log_dropped), (limits().log_lines, 0));
    assert_eq!((report.log[0].level, report.log[0].message.as_str()), (Level::Info, "a"));
}

#[test]
fn the_limit_on_log_lines_is_violated() {
    let report = select(flood(limits().log_lines + 7), 1).unwrap().report;
    assert_eq!((report.log.len(), report.log_dropped), (limits().log_lines, 7));
}

#[test]
fn a_handle_that_is_kept_is_refused() {
    let error = select(ByHand::new().select("(i32.const 192)"), 1).unwrap_err();
    assert!(error.to_string().contains("borrow"), "{error}");
}

#[test]
fn nothing_stays_from_one_call_to_the_next() {
    // Answers with what it finds in its memory, and leaves something there.
    let code = "(i32.store (i32.const 208) (i32.load (i32.const 600))) (i32.store (i32.const 600) (i32.const 1))";
    let policy = load(ByHand::new().before_select(code)).unwrap();
    for _ in 0..50 {
        policy.select(&tenant(), &table(1), &[]).unwrap();
    }
}

#[rstest]
#[case::empty(b"", "this is not WebAssembly")]
#[case::text(b"(component)", "this is not WebAssembly")]
#[case::a_core_module(b"\0asm\x01\0\0\0", "this is a core module, not a component")]
#[case::only_the_magic_number(b"\0asm", "the file is damaged")]
fn what_is_no_component_is_refused(#[case] bytes: &[u8], #[case] why: &str) {
    let error = Policy::load(&ENGINE, bytes, NO_CONFIG).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert_eq!(error.identity().name(), None);
}

#[test]
fn a_truncated_component_is_refused_wherever_it_ends() {
    let bytes = ByHand::new().build().unwrap();
    for len in (0..bytes.len()).step_by(97) {
        let error = Policy::load(&ENGINE, &bytes[..len], NO_CONFIG).unwrap_err();
        let refused =
            matches!(error.kind(), PolicyErrorKind::NotWasm | PolicyErrorKind::Invalid(_) | PolicyErrorKind::World(_));
        assert!(refused, "{len}: {error}");
    }
}

#[test]
fn a_damaged_component_never_takes_the_host_down() {
    let bytes = ByHand::new().build().unwrap();
    for at in (8..bytes.len()).step_by(13) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        // Some damage is to names and texts, and loads.
        let _ = Policy::load(&ENGINE, &damaged, NO_CONFIG);
    }
}

#[rstest]
#[case::obeyed(0, true)]
#[case::violated(1, false)]
fn the_size_of_a_component(#[case] over: usize, #[case] loads: bool) {
    let bytes = ByHand::new().build().unwrap();
    let engine = Engine::new(Limits { component_bytes: bytes.len() - over, ..limits() }).unwrap();
    match Policy::load(&engine, &bytes, NO_CONFIG) {
        Ok(_) => assert!(loads),
        Err(error) => {
            assert!(!loads, "{error}");
            let expected = PolicyErrorKind::TooLarge { bytes: bytes.len(), limit: bytes.len() - over };
            assert_eq!(*error.kind(), expected);
        }
    }
}

#[rstest]
#[case::obeyed(0, None)]
#[case::violated(1, Some("the configuration is 65537 bytes, and at most 65536 are allowed"))]
fn the_size_of_a_configuration(#[case] over: usize, #[case] why: Option<&str>) {
    let policy = load(ByHand::new()).unwrap();
    let config = format!("{}{{}}", " ".repeat(limits().config_bytes - 2 + over));
    match (policy.with_config(&config), why) {
        (Ok(configured), None) => assert_eq!(configured.config(), config),
        (Err(error), Some(why)) => assert!(error.to_string().contains(why), "{error}"),
        (outcome, why) => panic!("{outcome:?} {why:?}"),
    }
}

#[test]
fn a_configuration_that_is_not_json_never_reaches_the_policy() {
    let error = load(ByHand::new()).unwrap().with_config("{horizon: 3}").unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::ConfigNotJson(_)), "{error}");
}

#[rstest]
#[case::wasi("wasi:cli/environment@0.2.0")]
#[case::an_interface_that_is_none("thermocline:policy/clock@0.2.0")]
#[case::an_interface_of_a_later_version("thermocline:policy/reasons@0.1.0")]
fn an_import_that_policies_do_not_get_is_refused(#[case] import: &str) {
    let text = format!(r#"(component (import "{import}" (instance (export "get" (func)))))"#);
    let error = Policy::load(&ENGINE, &wat::parse_str(text).unwrap(), NO_CONFIG).unwrap_err();
    assert_eq!(*error.kind(), PolicyErrorKind::Import(import.into()));
}

#[rstest]
#[case::oldest("0.1.0")]
#[case::newest("0.2.0")]
fn an_import_of_the_wrong_type_is_refused(#[case] contract: &str) {
    let text = format!(
        r#"(component (import "thermocline:policy/log@{contract}" (instance (export "write" (func (param "x" u8))))))"#
    );
    let error = Policy::load(&ENGINE, &wat::parse_str(text).unwrap(), NO_CONFIG).unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::World(_)), "{error}");
}

#[rstest]
#[case::threads("(memory $shared 1 1 shared)")]
#[case::memory64("(memory $long i64 1)")]
#[case::garbage_collection("(type $s (struct))")]
#[case::relaxed_simd("(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))")]
#[case::tail_calls("(func $f (return_call $f))")]
#[case::exceptions("(tag $t)")]
#[case::wide_arithmetic("(func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 1)))")]
fn what_a_policy_does_not_need_is_off(#[case] field: &str) {
    // The text is assembled around the encoder, which would refuse it itself.
    let text = format!("(component (core module {field}))");
    let error = Policy::load(&ENGINE, &wat::parse_str(text).unwrap(), NO_CONFIG).unwrap_err();
    assert!(matches!(error.kind(), PolicyErrorKind::Invalid(_)), "{error}");
}

#[test]
fn simd_and_bulk_memory_are_on() {
    let code = "(memory.fill (i32.const 512) (i32.const 7) (i32.const 16))
        (drop (i8x16.add (v128.load (i32.const 512)) (v128.load (i32.const 512))))";
    select(ByHand::new().before_select(code), 1).unwrap();
}

#[rstest]
#[case::obeyed(2)]
#[case::violated(3)]
fn the_number_of_calls_at_a_time(#[case] calls: usize) {
    let two = std::num::NonZeroU32::new(2).unwrap();
    let limits = Limits { concurrent_calls: two, wait: Duration::ZERO, ..limits() };
    let engine = Engine::new(limits).unwrap();
    let policy = Policy::load(&engine, &ByHand::new().before_select(LOOP).build().unwrap(), NO_CONFIG).unwrap();
    let table = table(1);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..calls).map(|_| scope.spawn(|| policy.select(&tenant(), &table, &[]))).collect();
        calls.into_iter().map(|call| call.join().unwrap().unwrap_err()).collect()
    });
    let busy = outcomes.iter().filter(|error| matches!(error.kind(), PolicyErrorKind::Busy { .. })).count();
    assert_eq!(busy, calls - 2, "{outcomes:?}");
}

#[test]
fn a_policy_that_is_loaded_leaves_a_slot_to_those_that_decide() {
    let two = std::num::NonZeroU32::new(2).unwrap();
    let limits = Limits { concurrent_calls: two, wait: Duration::ZERO, time: Duration::from_secs(2), ..limits() };
    let engine = Engine::new(limits).unwrap();
    let decides = Policy::load(&engine, &ByHand::new().build().unwrap(), NO_CONFIG).unwrap();
    let loops = ByHand::new().before_describe(LOOP).build().unwrap();
    let is_busy = |error: &PolicyError| matches!(error.kind(), PolicyErrorKind::Busy { .. });
    let load = || Policy::load(&engine, &loops, NO_CONFIG).unwrap_err();
    std::thread::scope(|scope| {
        // Whoever comes second finds the one slot taken that both may have.
        scope.spawn(|| while is_busy(&load()) {});
        let good = ByHand::new().build().unwrap();
        while Policy::load(&engine, &good, NO_CONFIG).is_ok() {}
        decides.select(&tenant(), &table(1), &[]).unwrap();
    });
}

#[test]
fn calls_that_find_the_pool_full_wait_for_their_turn() {
    let policy = load(ByHand::new()).unwrap();
    let table = table(10);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..50).for_each(|_| drop(policy.select(&tenant(), &table, &[]).unwrap())));
        }
    });
}

#[test]
fn fuel_is_counted_where_it_is_asked_for_and_the_same_each_time() {
    let bytes = flood(10).build().unwrap();
    let metered = Engine::metered(limits()).unwrap();
    let policy = Policy::load(&metered, &bytes, NO_CONFIG).unwrap();
    let fuel = || policy.select(&tenant(), &table(1), &[]).unwrap().report.fuel.unwrap();
    assert!(fuel() > 50);
    assert_eq!(fuel(), fuel());
    let plain = Policy::load(&ENGINE, &bytes, NO_CONFIG).unwrap();
    assert_eq!(plain.select(&tenant(), &table(1), &[]).unwrap().report.fuel, None);
}
