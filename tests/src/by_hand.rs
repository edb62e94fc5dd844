//! Components written by hand, to misbehave as no compiler would.
//!
//! The body of each export is WebAssembly text. Everything not given is well behaved: it describes itself,
//! accepts any configuration, lists nothing and ranks nothing.

use std::fmt::Write as _;

use thermocline::policy::Contract;
use thermocline_policy::Selection;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The contract of this version, or head under its name where the host knows no such version.
fn contract(version: &str) -> String {
    const HEAD: &str = include_str!("../../wit/policy.wit");
    let frozen = [(Contract::V0_1, include_str!("../../wit/0.1.0/policy.wit"))];
    match frozen.into_iter().find(|(contract, _)| contract.version() == version) {
        Some((_, text)) => text.to_owned(),
        None => HEAD.replacen(Contract::NEWEST.version(), version, 1),
    }
}

/// Where things are in memory: the answers of the exports, texts, and the room that is handed out.
const DESCRIBE: usize = 64;
const CONFIGURE: usize = 128;
const SELECT: usize = 192;
const RANK: usize = 256;
const REFUSAL: usize = 640;
/// An answer of all zeros.
const NOTHING: usize = 896;
const TEXTS: usize = 1024;
const HEAP: usize = 256 << 10;

/// A component in the making.
#[derive(Clone, Debug)]
pub struct ByHand {
    contract: String,
    name: Vec<u8>,
    version: Vec<u8>,
    summary: Vec<u8>,
    config_schema: Vec<u8>,
    start: String,
    describe: String,
    configure: String,
    select: String,
    rank_uploads: String,
    fields: String,
    data: String,
    next_text: usize,
    memory: String,
    realloc: String,
}

impl Default for ByHand {
    fn default() -> Self {
        ByHand {
            contract: Contract::NEWEST.version().into(),
            name: b"by-hand".into(),
            version: b"1.2.3".into(),
            summary: b"Written by hand.".into(),
            config_schema: b"{}".into(),
            start: String::new(),
            describe: format!("(i32.const {DESCRIBE})"),
            configure: format!("(i32.const {CONFIGURE})"),
            select: format!("(call $drop-layers (local.get $layers)) (i32.const {SELECT})"),
            rank_uploads: format!("(call $drop-queue (local.get $queue)) (i32.const {RANK})"),
            fields: String::new(),
            data: String::new(),
            next_text: TEXTS,
            memory: "(memory (export \"memory\") 16)".into(),
            realloc: "(local.get $at)".into(),
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = $field.into();
            self
        })*
    };
}

impl ByHand {
    /// A policy that does nothing, and nothing wrong.
    #[must_use]
    pub fn new() -> Self {
        ByHand::default()
    }

    /// A policy that passes every check: it refuses what is no JSON object, and lists nothing.
    #[must_use]
    pub fn conforming() -> Self {
        let mut policy = ByHand::new();
        let message = b"an object, please";
        let at = policy.bytes(message);
        policy.put(REFUSAL, &[1]);
        policy.put(REFUSAL + 4, &words(&[at, u32::try_from(message.len()).unwrap_or(u32::MAX)]));
        let byte = |at: &str| format!("(i32.load8_u (i32.add (local.get $ptr) {at}))");
        let (first, last) = (byte("(i32.const 0)"), byte("(i32.sub (local.get $len) (i32.const 1))"));
        policy.configure(format!(
            "(if (result i32) (i32.lt_u (local.get $len) (i32.const 2)) (then (i32.const {REFUSAL}))
               (else (if (result i32)
                 (i32.and (i32.eq {first} (i32.const 123)) (i32.eq {last} (i32.const 125)))
                 (then (i32.const {CONFIGURE})) (else (i32.const {REFUSAL})))))"
        ))
    }

    /// Lists one row, as hot as this, of tables that have it; of others nothing.
    #[must_use]
    pub fn lists(self, row: u32, heat: f32) -> Self {
        let selection = Selection { heats: Some(vec![heat]), ..Selection::hot(vec![row]) };
        self.selects(&selection).field("(global $table-rows (mut i32) (i32.const 0))").select(format!(
            "(global.set $table-rows (call $rows (local.get $layers)))
             (call $drop-layers (local.get $layers))
             (if (result i32) (i32.gt_u (global.get $table-rows) (i32.const {row}))
               (then (i32.const {SELECT})) (else (i32.const {NOTHING})))"
        ))
    }

    setters! {
        /// Which version of the contract it is built for; the newest if not said.
        contract: String,
        /// What it calls itself. Need not be UTF-8.
        name: Vec<u8>,
        /// Which version it claims to be.
        version: Vec<u8>,
        /// What it says it does.
        summary: Vec<u8>,
        /// The schema of its configuration.
        config_schema: Vec<u8>,
        /// What it does when it is instantiated.
        start: String,
        /// `describe`: leaves the address of the answer.
        describe: String,
        /// `configure`, of `$ptr` and `$len`: leaves the address of the answer.
        configure: String,
        /// `select`, of `$layers`, `$memory-ptr` and `$memory-len` among others: leaves the address of the
        /// answer. Must `(call $drop-layers (local.get $layers))`.
        select: String,
        /// `rank-uploads`, of `$now` and `$queue`: leaves the address of the answer. Must
        /// `(call $drop-queue (local.get $queue))`.
        rank_uploads: String,
        /// The memory; exported as `memory`.
        memory: String,
        /// Where what the host hands over goes: leaves the address of the room, of `$at`, where there is some.
        realloc: String,
    }

    /// More of the module: functions, tables, globals.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.fields.push_str(field);
        self
    }

    /// Runs `code` before the well behaved `describe`.
    #[must_use]
    pub fn before_describe(self, code: &str) -> Self {
        let describe = format!("{code} {}", self.describe);
        self.describe(describe)
    }

    /// Runs `code` before the well behaved `configure`.
    #[must_use]
    pub fn before_configure(self, code: &str) -> Self {
        let configure = format!("{code} {}", self.configure);
        self.configure(configure)
    }

    /// Runs `code` before the well behaved `select`.
    #[must_use]
    pub fn before_select(self, code: &str) -> Self {
        let select = format!("{code} {}", self.select);
        self.select(select)
    }

    /// Runs `code` before the well behaved `rank-uploads`.
    #[must_use]
    pub fn before_ranking(self, code: &str) -> Self {
        let rank_uploads = format!("{code} {}", self.rank_uploads);
        self.rank_uploads(rank_uploads)
    }

    /// Answers every `select` with the same.
    #[must_use]
    pub fn selects(mut self, selection: &Selection) -> Self {
        let rows = self.bytes(&words(&selection.rows));
        let heats = selection.heats.as_ref().map(|heats| {
            let bits: Vec<u32> = heats.iter().map(|heat| heat.to_bits()).collect();
            self.bytes(&words(&bits))
        });
        let memory = self.bytes(&selection.memory);
        let count = |list: usize| u32::try_from(list).unwrap_or(u32::MAX);
        let listed = count(selection.rows.len());
        let (scored, heats) = heats.map_or((0, 0), |at| (1, at));
        let scores = selection.heats.as_ref().map_or(0, |heats| count(heats.len()));
        let answer = [0, 0, rows, listed, selection.cold_from, scored, heats, scores];
        self.put(SELECT, &words(&answer));
        let mut valid_for = words(&[u32::from(selection.valid_for.is_some()), 0]);
        valid_for.extend(selection.valid_for.unwrap_or_default().to_le_bytes());
        self.put(SELECT + 32, &valid_for);
        self.put(SELECT + 48, &words(&[memory, count(selection.memory.len())]));
        self
    }

    /// Answers every `rank-uploads` with the same.
    #[must_use]
    pub fn ranks(mut self, rows: &[u32]) -> Self {
        let at = self.bytes(&words(rows));
        self.put(RANK, &words(&[0, at, u32::try_from(rows.len()).unwrap_or(u32::MAX)]));
        self
    }

    /// Refuses every configuration in these words. They need not be UTF-8.
    #[must_use]
    pub fn refuses_to_configure(self, message: &[u8]) -> Self {
        self.refuses(CONFIGURE, 4, message)
    }

    /// Refuses to select, in these words. They need not be UTF-8.
    #[must_use]
    pub fn refuses_to_select(self, message: &[u8]) -> Self {
        self.refuses(SELECT, 8, message)
    }

    fn refuses(mut self, answer: usize, payload: usize, message: &[u8]) -> Self {
        let at = self.bytes(message);
        self.put(answer, &[1]);
        self.put(answer + payload, &words(&[at, u32::try_from(message.len()).unwrap_or(u32::MAX)]));
        self
    }

    /// The component.
    ///
    /// # Errors
    /// If the text is no WebAssembly, or does not fit the contract.
    pub fn build(mut self) -> anyhow::Result<Vec<u8>> {
        let texts = [&self.name, &self.version, &self.summary, &self.config_schema].map(Clone::clone);
        let described: Vec<u32> =
            texts.iter().flat_map(|text| [self.bytes(text), u32::try_from(text.len()).unwrap_or(u32::MAX)]).collect();
        self.put(DESCRIBE, &words(&described));
        anyhow::ensure!(self.next_text <= HEAP, "the texts and answers take more than {HEAP} bytes");

        let mut module = wat::parse_str(self.text())?;
        let mut resolve = Resolve::default();
        let package = resolve.push_source("policy.wit", &contract(&self.contract))?;
        let world = resolve.select_world(&[package], Some("policy"))?;
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        ComponentEncoder::default().validate(true).module(&module)?.encode()
    }

    /// Keeps `bytes` in memory, and says where.
    fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = self.next_text;
        self.put(at, bytes);
        self.next_text = (at + bytes.len()).next_multiple_of(8);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let _ = write!(self.data, "(data (i32.const {at}) \"");
        bytes.iter().for_each(|byte| {
            let _ = write!(self.data, "\\{byte:02x}");
        });
        self.data.push_str("\")\n");
    }

    fn text(&self) -> String {
        let ByHand {
            contract, start, describe, configure, select, rank_uploads, fields, data, memory, realloc, ..
        } = self;
        let reasons = if contract == Contract::V0_1.version() { "" } else { &*imports_of_reasons(contract) };
        format!(
            r#"(module
              (import "thermocline:policy/tables@{contract}" "[resource-drop]layer-table" (func $drop-layers (param i32)))
              (import "thermocline:policy/tables@{contract}" "[resource-drop]upload-queue" (func $drop-queue (param i32)))
              (import "thermocline:policy/tables@{contract}" "[method]layer-table.rows" (func $rows (param i32) (result i32)))
              (import "thermocline:policy/tables@{contract}" "[method]layer-table.ids" (func $ids (param i32 i32)))
              (import "thermocline:policy/log@{contract}" "write" (func $log (param $level i32) (param i32 i32)))
              {reasons}
              {memory}
              (global $heap (mut i32) (i32.const {HEAP}))
              {fields}
              {data}
              (func $start {start})
              (start $start)
              (func $alloc (param $len i32) (result i32)
                (local $at i32) (local $missing i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
                (global.set $heap (i32.add (local.get $at) (local.get $len)))
                (local.set $missing
                  (i32.sub (i32.shr_u (i32.add (global.get $heap) (i32.const 65535)) (i32.const 16)) (memory.size)))
                (if (i32.gt_s (local.get $missing) (i32.const 0))
                  (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable))))
                (local.get $at))
              (func (export "cabi_realloc") (param $old i32) (param $old-len i32) (param $align i32) (param $len i32)
                (result i32)
                (local $at i32)
                (local.set $at (call $alloc (local.get $len)))
                {realloc})
              (func (export "describe") (result i32) {describe})
              (func (export "configure") (param $ptr i32) (param $len i32) (result i32) {configure})
              (func (export "select")
                (param $shard-ptr i32) (param $shard-len i32) (param $generation i32) (param $now i64)
                (param $checkpoint-distance i64) (param $layers i32) (param $memory-ptr i32) (param $memory-len i32)
                (result i32) {select})
              (func (export "rank-uploads") (param $now i64) (param $queue i32) (result i32) {rank_uploads}))"#
        )
    }
}

/// What versions from 0.2.0 on have.
fn imports_of_reasons(contract: &str) -> String {
    format!(
        r#"(import "thermocline:policy/tables@{contract}" "[method]layer-table.resident-times"
                (func $resident-times (param i32 i32)))
              (import "thermocline:policy/reasons@{contract}" "wanted" (func $wanted (result i32)))
              (import "thermocline:policy/reasons@{contract}" "give" (func $give (param $row i32) (param i32 i32)))"#
    )
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
