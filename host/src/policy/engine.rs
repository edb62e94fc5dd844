//! The machine that runs policies: one for the process.

use std::hash::Hash;
use std::sync::Arc;
use std::thread::JoinHandle;

use siphasher::sip128::{Hasher128, SipHasher13};
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmFeatures};

use super::bindings::{CallState, define_imports};
use super::limits::{Limits, MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES, TICK};
use super::permits::Permits;

/// What of WebAssembly a policy may use: what compilers for 32-bit targets without threads emit today.
/// All else is off: each proposal is more compiler to trust, and some (threads, relaxed SIMD) would
/// make answers differ from run to run.
pub(super) const FEATURES: WasmFeatures = WasmFeatures::empty()
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// The engine cannot be made on this machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No room for the pool, or a processor that the compiler does not know.
    #[error("the policy engine cannot start: {0}; lower the number of concurrent calls if address space is short")]
    Machine(String),
    /// No thread to keep time with.
    #[error("the policy engine cannot start the thread that ends calls in time: {0}")]
    Ticker(#[from] std::io::Error),
}

/// Runs policies, within [`Limits`]. One for the process: it holds the pool of instances and the thread
/// that ends calls in time. A clone is another handle to the same engine.
///
/// Calls are synchronous: they compute, and never wait for anything but their turn. Asynchronous callers
/// move them off their reactor (`tokio::task::spawn_blocking`).
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasmtime: wasmtime::Engine,
    linker: Linker<CallState>,
    limits: Limits,
    permits: Permits,
    metered: bool,
}

impl Engine {
    /// An engine for production.
    ///
    /// # Errors
    /// If the machine cannot run it.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        Self::build(limits, false)
    }

    /// An engine that counts the instructions a call takes, for tests and tuning: the count is the same on
    /// every machine. Calls take up to half as long again.
    ///
    /// # Errors
    /// If the machine cannot run it.
    pub fn metered(limits: Limits) -> Result<Self, EngineError> {
        Self::build(limits, true)
    }

    fn build(limits: Limits, metered: bool) -> Result<Self, EngineError> {
        let machine = |error: wasmtime::Error| EngineError::Machine(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&config(&limits, metered)).map_err(machine)?;
        start_ticker(&wasmtime)?;
        let mut linker = Linker::new(&wasmtime);
        define_imports(&mut linker).map_err(machine)?;
        let permits = Permits::new(limits.concurrent_calls);
        Ok(Engine(Arc::new(Inner { wasmtime, linker, limits, permits, metered })))
    }

    /// What a policy may use up here.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Stands for everything that compiled code depends on: the compiler, its settings, and this machine's features.
    pub(crate) fn compiled_for(&self) -> String {
        let mut hasher = SipHasher13::new();
        self.wasmtime().precompile_compatibility_hash().hash(&mut hasher);
        format!("{:032x}", hasher.finish128().as_u128())
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }

    pub(super) fn linker(&self) -> &Linker<CallState> {
        &self.0.linker
    }

    pub(super) fn permits(&self) -> &Permits {
        &self.0.permits
    }

    pub(super) fn is_metered(&self) -> bool {
        self.0.metered
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.0.limits).field("metered", &self.0.metered).finish()
    }
}

fn config(limits: &Limits, metered: bool) -> Config {
    let mut config = Config::new();
    // Features not named here stay off, also those that a later wasmtime turns on by default.
    config.wasm_features(FEATURES.complement(), false).wasm_features(FEATURES, true);
    // No export is asynchronous; without the machinery for it a call is three times cheaper.
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.consume_fuel(metered);
    // The same bits from the same policy on every machine.
    config.cranelift_nan_canonicalization(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.max_wasm_stack(limits.stack_bytes);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let calls = limits.concurrent_calls.get();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(MAX_CORE_INSTANCES))
        .total_memories(calls.saturating_mul(MAX_MEMORIES))
        .total_tables(calls.saturating_mul(MAX_TABLES))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_memories_per_module(1)
        .max_tables_per_module(MAX_TABLES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(limits.memory_for(u32::MAX))
        .linear_memory_keep_resident(limits.warm_bytes)
        .table_keep_resident(MAX_TABLE_ELEMENTS * size_of::<usize>())
        // The kernel could tell which pages were written, but wasmtime passes over those that it says are not present:
        // pages that are swapped out, or on their way elsewhere, would keep what the last call left in them.
        .pagemap_scan(Enabled::No);
    pool
}

/// The clock of deadlines: an operating-system thread that sleeps a tick and counts one, so that a machine
/// under load makes ticks late and never a burst of them. It ends with the last handle to the engine.
#[allow(clippy::disallowed_methods, reason = "this thread is the clock that everything else is handed")]
fn start_ticker(engine: &wasmtime::Engine) -> std::io::Result<JoinHandle<()>> {
    let engine = engine.weak();
    std::thread::Builder::new().name("policy-ticker".into()).spawn(move || {
        loop {
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the ticker runs in real time")]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_ticker_ends_with_the_engine() {
        let engine = wasmtime::Engine::new(&config(&Limits::default(), false)).unwrap();
        let ticker = start_ticker(&engine).unwrap();
        std::thread::sleep(3 * TICK);
        assert!(!ticker.is_finished());
        drop(engine);
        let dropped = Instant::now();
        while !ticker.is_finished() {
            assert!(dropped.elapsed() < Duration::from_secs(30), "it still runs");
            std::thread::sleep(TICK);
        }
    }

    #[test]
    fn an_engine_with_the_most_slots_starts() {
        let limits = Limits { concurrent_calls: Limits::MAX_CALLS, ..Limits::default() };
        Engine::new(limits).unwrap();
    }
}
