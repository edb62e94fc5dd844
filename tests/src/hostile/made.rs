//! Files of which the text would say nothing: cut off, too large, or claiming what they do not hold.

use super::prelude::answers_well;
use crate::by_hand::ByHand;

/// The first bytes of a component.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
/// The first bytes of a core module.
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// How deep some go.
const DEPTH: usize = 100_000;
/// How many variables others have.
const VARIABLES: u64 = 1_000;

/// The bytes of a component that has no file; `None` where there is no such.
pub(super) fn made(name: &str) -> Option<anyhow::Result<Vec<u8>>> {
    Some(match name {
        "an-archive" => Ok([b"PK\x03\x04", &[0; 60][..]].concat()),
        "a-core-module" => {
            wat::parse_str("(module (func (export \"describe\") (result i32) i32.const 0))").map_err(Into::into)
        }
        "cut-off" => answers_well(name).build().map(|mut bytes| {
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        "longer-than-it-says" => answers_well(name).build().map(|bytes| [bytes, vec![0; 100]].concat()),
        "a-hundred-megabytes" => Ok(component(&[section(0, &[b"\x03pad", &vec![0; 100 << 20][..]].concat())])),
        "claims-data" => Ok(core_module(&[section(12, &leb(u64::from(u32::MAX)))])),
        "claims-functions" => Ok(core_module(&[NOTHING_TYPE.to_vec(), section(3, &leb(u64::from(u32::MAX)))])),
        "claims-locals" => {
            let locals = [leb(1), leb(u64::from(u32::MAX)), vec![I64]].concat();
            Ok(core_module(&function(&[locals, vec![END]].concat())))
        }
        "claims-imports" => Ok(component(&[section(10, &leb(u64::from(u32::MAX)))])),
        "nested-components" => Ok((0..1000).fold(component(&[]), |inner, _| component(&[section(4, &inner)]))),
        "nested-blocks" => {
            let blocks = [[BLOCK, EMPTY].repeat(DEPTH), vec![END; DEPTH]].concat();
            Ok(core_module(&function(&[leb(0), blocks, vec![END]].concat())))
        }
        "nested-loops" => {
            let loops = [[LOOP, EMPTY].repeat(DEPTH), vec![END; DEPTH]].concat();
            Ok(core_module(&function(&[leb(0), loops, vec![END]].concat())))
        }
        "blocks-in-a-row" => {
            let blocks = [BLOCK, EMPTY, END].repeat(DEPTH);
            Ok(core_module(&function(&[leb(0), blocks, vec![END]].concat())))
        }
        "loops-over-variables" => {
            let changed = (0..VARIABLES).flat_map(|variable| {
                [&[LOCAL_GET], &leb(variable)[..], &[I32_CONST, 1, I32_ADD, LOCAL_SET], &leb(variable)].concat()
            });
            let again = [LOCAL_GET, 0, BR_IF, 0, END];
            let loops = [[LOOP, EMPTY].repeat(200), changed.collect(), again.repeat(200)].concat();
            Ok(core_module(&function(&[leb(1), leb(VARIABLES), vec![I32], loops, vec![END]].concat())))
        }
        "nested-sums" => {
            let sums = [[I32_CONST, 1].repeat(DEPTH), vec![I32_ADD; DEPTH - 1], vec![DROP]].concat();
            let module = core_module(&function(&[leb(0), sums, vec![END]].concat()));
            // Else it would be refused for that, and never come to the compiler.
            Ok([text(IMPORT), module.get(COMPONENT.len()..).unwrap_or_default().to_vec()].concat())
        }
        "many-instances" => {
            Ok(text(&format!("{IMPORT} (core module $m) {}", "(core instance (instantiate $m))".repeat(100))))
        }
        "many-memories" => {
            Ok(text(&format!("{IMPORT} (core module $m (memory 1)) {}", "(core instance (instantiate $m))".repeat(5))))
        }
        "imports-files" => Ok(imports("wasi:filesystem/types@0.2.0")),
        "imports-sockets" => Ok(imports("wasi:sockets/tcp@0.2.0")),
        "imports-a-clock" => Ok(imports("wasi:clocks/monotonic-clock@0.2.0")),
        "imports-chance" => Ok(imports("wasi:random/random@0.2.0")),
        "imports-another-contract" => Ok(imports("thermocline:policy/tables@99.0.0")),
        "imports-a-column-that-is-none" => {
            Ok(text(r#"(import "thermocline:policy/log@0.1.0" (instance (export "read" (func (result string)))))"#))
        }
        "exports-nothing" => Ok(text(IMPORT)),
        "exports-another-type" => Ok(text(
            r#"(import "thermocline:policy/log@0.1.0" (instance))
               (core module $m (func (export "describe") (result i32) i32.const 0))
               (core instance $i (instantiate $m))
               (func $describe (result u32) (canon lift (core func $i "describe")))
               (export "describe" (func $describe))"#,
        )),
        "uses-threads" => Ok(text("(core module (memory 1 1 shared))")),
        "uses-64-bits" => Ok(text("(core module (memory i64 1))")),
        "summary-too-long" => answers_well(name).summary(vec![b's'; 100_000]).build(),
        "version-of-none" => answers_well(name).version("the newest").build(),
        "schema-too-long" => answers_well(name).config_schema(vec![b' '; 100_000]).build(),
        "schema-no-json" => answers_well(name).config_schema("anything goes").build(),
        "schema-no-object" => answers_well(name).config_schema("[]").build(),
        _ => return schema(name).map(ByHand::build),
    })
}

/// Schemas that are JSON, and no schemas, or worse.
fn schema(name: &str) -> Option<ByHand> {
    let nested = |open: &str, close: &str| {
        let depth = 60_000 / (open.len() + close.len());
        [open.repeat(depth), "{}".to_owned(), close.repeat(depth)].concat()
    };
    let schema = match name {
        "schema-no-schema" => r#"{"type": 7, "properties": "all of them"}"#.to_owned(),
        "schema-refers-to-itself" => r##"{"$ref": "#"}"##.to_owned(),
        "schema-refers-in-circles" => {
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}"##
                .to_owned()
        }
        "schema-refers-elsewhere" => r#"{"$ref": "http://127.0.0.1:9/schema.json"}"#.to_owned(),
        "schema-refers-to-a-file" => r#"{"$ref": "file:///etc/hostname"}"#.to_owned(),
        "schema-nested" => nested(r#"{"not":"#, "}"),
        "schema-laughs" => {
            let level = |number: usize| {
                let next = format!(r##"{{"$ref": "#/$defs/{}"}}"##, number + 1);
                format!(r#""{number}": {{"allOf": [{}]}}"#, vec![next; 10].join(", "))
            };
            let levels: Vec<_> = (0..10).map(level).collect();
            format!(r##"{{"$ref": "#/$defs/0", "$defs": {{{}, "10": {{"type": "object"}}}}}}"##, levels.join(", "))
        }
        "schema-with-a-slow-pattern" => {
            r#"{"propertyNames": {"pattern": "^((a+)+)+$"}, "patternProperties": {"^(a|aa)+$": {"type": "null"}}}"#
                .to_owned()
        }
        "schema-with-a-large-pattern" => {
            r#"{"propertyNames": {"pattern": "^(((((a{1,99}){1,99}){1,99}){1,99}){1,99}){1,99}$"}}"#.to_owned()
        }
        _ => return None,
    };
    Some(answers_well(name).config_schema(schema))
}

const I64: u8 = 0x7e;
const I32: u8 = 0x7f;
const BLOCK: u8 = 0x02;
const LOOP: u8 = 0x03;
const BR_IF: u8 = 0x0d;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const EMPTY: u8 = 0x40;
const END: u8 = 0x0b;
const DROP: u8 = 0x1a;
const I32_CONST: u8 = 0x41;
const I32_ADD: u8 = 0x6a;
/// A section with one type: of a function of nothing, to nothing.
const NOTHING_TYPE: [u8; 6] = [1, 4, 1, 0x60, 0, 0];

/// What makes a component one that was built for the contract.
const IMPORT: &str = r#"(import "thermocline:policy/log@0.1.0" (instance))"#;

/// A component that asks for one instance.
fn imports(name: &str) -> Vec<u8> {
    text(&format!(r#"(import "{name}" (instance (export "get" (func))))"#))
}

/// A component, as text.
fn text(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {fields})")).unwrap_or_default()
}

/// A component of these sections.
fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [&COMPONENT[..], &sections.concat()].concat()
}

/// A component of one core module of these sections.
fn core_module(sections: &[Vec<u8>]) -> Vec<u8> {
    component(&[section(1, &[&MODULE[..], &sections.concat()].concat())])
}

/// The sections of a module with one function.
fn function(body: &[u8]) -> [Vec<u8>; 3] {
    let code = [leb(1), leb(body.len() as u64), body.to_vec()].concat();
    [NOTHING_TYPE.to_vec(), section(3, &[1, 0]), section(10, &code)]
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id], &leb(body.len() as u64)[..], body].concat()
}

/// A number as WebAssembly writes it.
fn leb(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
