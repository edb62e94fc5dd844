//! A policy: a compiled component with its configuration, ready to be called.

use std::sync::Arc;
use std::time::Instant;

use thermocline_policy::{Description, Layers as _, Tenant, Uploads as _};
use wasmtime::component::Component;
use wasmtime::{Store, Trap};

use super::bindings::{CallState, Exports, PolicyPre, View};
use super::compiled;
use super::contract::Contract;
use super::engine::Engine;
use super::error::{PolicyError, PolicyErrorKind, Step, one_line, trap};
use super::identity::{PolicyIdentity, check_description};
use super::memory::MemoryMeter;
use super::permits::Urgency;
use super::queue::{Ranking, UploadQueue};
use super::quote::quoted;
use super::reasons::ReasonBook;
use super::report::{LogBook, Report};
use super::schema::ConfigSchema;
use super::selection::Selection;
use super::shape::Shape;
use super::stack::on_own_stack;
use crate::Digest;
use crate::layer::LayerTable;

/// What a policy is handed where the operator set nothing.
pub const NO_CONFIG: &str = "{}";

/// Bytes of an error that comes out of the engine.
const SHOWN_BYTES: usize = 512;

/// A policy that was checked, compiled and configured: an immutable value, to be shared behind an `Arc`.
///
/// Every call gets a fresh instance, so that no call can leave anything behind for the next. Calls
/// compute on the calling thread, which needs [`Limits::stack_bytes`](super::Limits) of stack and half a
/// MiB more; threads made by Rust and by Tokio have it.
pub struct Policy {
    engine: Engine,
    identity: PolicyIdentity,
    description: Description,
    schema: ConfigSchema,
    shape: Shape,
    size_bytes: usize,
    config: String,
    key: Digest,
    urgency: Urgency,
    pre: PolicyPre,
}

/// An answer, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Called<T> {
    /// The checked answer.
    pub answer: T,
    /// What the call used up and logged.
    pub report: Report,
}

/// Why a call came to nothing, before it is known what the call used up.
enum Failure {
    Machine(wasmtime::Error),
    Known(PolicyErrorKind),
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Failure::Machine(error)
    }
}

/// One call in the making: the instance, and how far it got.
struct Running {
    exports: Exports,
    store: Store<CallState>,
    step: Step,
    message_limit: usize,
}

impl Running {
    fn describe(&mut self) -> Result<Description, Failure> {
        self.step = Step::Describe;
        Ok(self.exports.describe(&mut self.store)?)
    }

    fn configure(&mut self, config: &str) -> Result<(), Failure> {
        self.step = Step::Configure;
        let answer = self.exports.configure(&mut self.store, config)?;
        self.accepted(answer)
    }

    /// What the policy answered, or its own words why it did not.
    fn accepted<T>(&self, answer: Result<T, String>) -> Result<T, Failure> {
        answer.map_err(|message| {
            let message = quoted(&message, self.message_limit);
            Failure::Known(PolicyErrorKind::Refused { step: self.step, message })
        })
    }
}

impl Policy {
    /// Loads a component: checks its size and every byte of it, compiles it, asks who it is, and lets it
    /// read its configuration. Takes about a millisecond for each KiB of component.
    ///
    /// # Errors
    /// With what is wrong, and what to do about it. Nothing of a policy that fails here stays.
    pub fn load(engine: &Engine, bytes: &[u8], config: &str) -> Result<Self, PolicyError> {
        Policy::load_unconfigured(engine, bytes)?.with_config(config)
    }

    /// As [`load`](Self::load), but the policy is not asked to read a configuration: enough to see who it is
    /// and what its configuration may be. One that cannot do without fails at its first call.
    ///
    /// # Errors
    /// With what is wrong, and what to do about it.
    pub fn load_unconfigured(engine: &Engine, bytes: &[u8]) -> Result<Self, PolicyError> {
        let identity = PolicyIdentity::unnamed(Digest::of(bytes));
        let checked = || {
            let shape = Shape::read(bytes, engine.limits().component_bytes)?;
            let pre = prepare(engine, &compile(engine, bytes)?, shape.contract)?;
            Ok((shape, pre))
        };
        match checked() {
            Ok((shape, pre)) => Self::asked(engine, bytes.len(), identity, shape, pre),
            Err(kind) => Err(PolicyError::new(identity, kind, Report::default())),
        }
    }

    /// As [`load_unconfigured`](Self::load_unconfigured), with what was [sealed](Self::seal) when this engine compiled
    /// these very bytes. They were checked then, so this takes a small part of the time. `None` if the seal is broken, or is
    /// that of another component or engine: then it has to be compiled.
    ///
    /// `sealed` MUST come out of a place that only this process's user can write. The seal shows damage and mistakes, and
    /// keeps nobody away.
    ///
    /// # Errors
    /// As [`load_unconfigured`](Self::load_unconfigured).
    pub(crate) fn load_sealed(engine: &Engine, bytes: &[u8], sealed: &[u8]) -> Result<Option<Self>, PolicyError> {
        let identity = PolicyIdentity::unnamed(Digest::of(bytes));
        let Some(component) = compiled::unseal(engine, identity.digest(), sealed) else { return Ok(None) };
        let read = || {
            let shape = Shape::read_again(bytes, engine.limits().component_bytes)?;
            let pre = prepare(engine, &component, shape.contract)?;
            Ok((shape, pre))
        };
        match read() {
            Ok((shape, pre)) => Self::asked(engine, bytes.len(), identity, shape, pre).map(Some),
            Err(kind) => Err(PolicyError::new(identity, kind, Report::default())),
        }
    }

    /// What the compiler made of the component, for [`load_sealed`](Self::load_sealed). `None` if it cannot be had.
    pub(crate) fn seal(&self) -> Option<Vec<u8>> {
        compiled::seal(&self.engine, self.identity.digest(), self.pre.component())
    }

    /// Asks a policy who it is.
    fn asked(
        engine: &Engine,
        size_bytes: usize,
        identity: PolicyIdentity,
        shape: Shape,
        pre: PolicyPre,
    ) -> Result<Self, PolicyError> {
        let Called { answer: description, report } = run(engine, &identity, &pre, Work::unasked(), Running::describe)?;
        let schema = match check_description(&description) {
            Ok(schema) => schema,
            Err(bad) => return Err(PolicyError::new(identity, PolicyErrorKind::Description(bad), report)),
        };
        let digest = identity.digest();
        let identity = PolicyIdentity::named(digest, &description);

        Ok(Policy {
            engine: engine.clone(),
            identity,
            description,
            schema,
            shape,
            size_bytes,
            config: NO_CONFIG.into(),
            key: key(digest, NO_CONFIG),
            urgency: Urgency::Decides,
            pre,
        })
    }

    /// The same component under another configuration, without compiling it again.
    ///
    /// # Errors
    /// If the configuration is no JSON, does not fit the policy's schema, or the policy refuses it.
    pub fn with_config(&self, config: &str) -> Result<Self, PolicyError> {
        let fail = |kind| Err(PolicyError::new(self.identity.clone(), kind, Report::default()));
        let limit = self.engine.limits().config_bytes;
        if config.len() > limit {
            return fail(PolicyErrorKind::ConfigTooLarge { bytes: config.len(), limit });
        }
        let values = match serde_json::from_str(config) {
            Ok(values) => values,
            Err(error) => return fail(PolicyErrorKind::ConfigNotJson(error.to_string())),
        };
        if let Err(why) = self.schema.check(&values) {
            return fail(PolicyErrorKind::ConfigSchema(why));
        }
        self.try_config(config)?;
        Ok(self.copied(config, self.urgency))
    }

    /// The same policy, whose calls leave a slot to others: for answers that nothing waits for.
    pub(crate) fn aside(&self) -> Self {
        self.copied(&self.config, Urgency::Aside)
    }

    fn copied(&self, config: &str, urgency: Urgency) -> Self {
        Policy {
            engine: self.engine.clone(),
            identity: self.identity.clone(),
            description: self.description.clone(),
            schema: self.schema.clone(),
            shape: self.shape.clone(),
            size_bytes: self.size_bytes,
            config: config.into(),
            key: key(self.identity.digest(), config),
            urgency,
            pre: self.pre.clone(),
        }
    }

    /// Shows the policy a configuration that the host would not let through.
    pub(super) fn try_config(&self, config: &str) -> Result<Called<()>, PolicyError> {
        run(&self.engine, &self.identity, &self.pre, Work::unasked(), |running| running.configure(config))
    }

    /// What a policy says of itself, asked again.
    pub(super) fn describe_again(&self) -> Result<Called<Description>, PolicyError> {
        run(&self.engine, &self.identity, &self.pre, Work::unasked(), Running::describe)
    }

    /// Which layers of `table` a standby should hold. `memory` is what this policy, under this
    /// configuration, handed back at the tenant's last call; empty if there is none.
    ///
    /// # Errors
    /// If the policy gave no answer, or one that does not fit the table.
    pub fn select(
        &self,
        tenant: &Tenant,
        table: &Arc<LayerTable>,
        memory: &[u8],
    ) -> Result<Called<Selection>, PolicyError> {
        self.select_and(false, tenant, table, memory)
    }

    /// As [`select`](Self::select), and the policy is asked to say in a few words why each row is where it is: in
    /// [`Report::reasons`]. For people who look: a policy may take longer over it. One that was built before there
    /// were reasons gives none.
    ///
    /// # Errors
    /// As those of [`select`](Self::select).
    pub fn select_with_reasons(
        &self,
        tenant: &Tenant,
        table: &Arc<LayerTable>,
        memory: &[u8],
    ) -> Result<Called<Selection>, PolicyError> {
        self.select_and(true, tenant, table, memory)
    }

    fn select_and(
        &self,
        reasons: bool,
        tenant: &Tenant,
        table: &Arc<LayerTable>,
        memory: &[u8],
    ) -> Result<Called<Selection>, PolicyError> {
        let rows = table.rows();
        let work = Work {
            view: View::Layers(Arc::clone(table)),
            rows,
            shard: Some(&tenant.shard),
            reasons,
            urgency: self.urgency,
        };
        run(&self.engine, &self.identity, &self.pre, work, |running| {
            running.configure(&self.config)?;
            running.step = Step::Select;
            let answer = running.exports.select(&mut running.store, tenant, memory)?;
            let answer = running.accepted(answer)?;
            Selection::check(answer, rows).map_err(|bad| Failure::Known(PolicyErrorKind::Selection(bad)))
        })
    }

    /// The order in which due uploads run. `now` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// If the policy gave no answer, or one that does not fit the queue.
    pub fn rank_uploads(&self, now: i64, queue: &Arc<UploadQueue>) -> Result<Called<Ranking>, PolicyError> {
        let view = View::Uploads(Arc::clone(queue));
        let work = Work { view, rows: queue.rows(), shard: None, reasons: false, urgency: self.urgency };
        run(&self.engine, &self.identity, &self.pre, work, |running| {
            running.configure(&self.config)?;
            running.step = Step::RankUploads;
            let answer = running.exports.rank_uploads(&mut running.store, now)?;
            let order = running.accepted(answer)?;
            Ranking::check(order, queue).map_err(|bad| Failure::Known(PolicyErrorKind::Ranking(bad)))
        })
    }

    /// What runs it.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Name, version and digest.
    pub const fn identity(&self) -> &PolicyIdentity {
        &self.identity
    }

    /// What it says of itself.
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// The version of the contract that it was built for.
    pub const fn contract(&self) -> Contract {
        self.shape.contract
    }

    /// What it imports and exports.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Bytes of the component.
    pub const fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Its configuration, JSON text.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Stands for the component and its configuration: what one of them remembers is nothing to another.
    pub(crate) const fn key(&self) -> Digest {
        self.key
    }
}

fn key(component: Digest, config: &str) -> Digest {
    Digest::of(&[component.as_bytes(), config.as_bytes()].concat())
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("identity", &self.identity).field("config", &self.config).finish_non_exhaustive()
    }
}

/// Compiles. Deep expressions recurse.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, PolicyErrorKind> {
    match on_own_stack("the compiler", || Component::from_binary(engine.wasmtime(), bytes)) {
        Ok(compiled) => compiled.map_err(|error| PolicyErrorKind::Compile(one_line(&error, SHOWN_BYTES))),
        Err(error) => Err(PolicyErrorKind::Compile(error.to_string())),
    }
}

/// Links what was compiled with what policies get.
fn prepare(engine: &Engine, component: &Component, contract: Contract) -> Result<PolicyPre, PolicyErrorKind> {
    let world = |error: wasmtime::Error| PolicyErrorKind::World(one_line(&error, SHOWN_BYTES));
    let linked = engine.linker().instantiate_pre(component).map_err(world)?;
    let pre = PolicyPre::new(contract, linked).map_err(world)?;
    // What the first call would do otherwise.
    component
        .initialize_copy_on_write_image()
        .map_err(|error| PolicyErrorKind::Compile(one_line(&error, SHOWN_BYTES)))?;
    Ok(pre)
}

/// What a call works on.
struct Work<'a> {
    view: View,
    rows: u32,
    shard: Option<&'a str>,
    /// Whether somebody asks why.
    reasons: bool,
    urgency: Urgency,
}

impl Work<'_> {
    /// A call that works on no table: no upload makes one.
    const fn unasked() -> Self {
        Work { view: View::Nothing, rows: 0, shard: None, reasons: false, urgency: Urgency::Aside }
    }
}

/// Makes a fresh instance, lets `body` call it, and sees to it that nothing of it stays.
#[allow(clippy::disallowed_methods, reason = "measures how long a call took, for the report; decides nothing")]
fn run<T>(
    engine: &Engine,
    identity: &PolicyIdentity,
    pre: &PolicyPre,
    work: Work<'_>,
    body: impl FnOnce(&mut Running) -> Result<T, Failure>,
) -> Result<Called<T>, PolicyError> {
    let limits = engine.limits();
    let queued = Instant::now();
    let Some(_permit) = engine.permits().take(work.urgency, limits.wait) else {
        let kind = PolicyErrorKind::Busy { waited: limits.wait };
        return Err(PolicyError::new(identity.clone(), kind, Report::default()));
    };
    let started = Instant::now();

    let state = CallState {
        view: work.view,
        memory: MemoryMeter::new(limits.memory_for(work.rows)),
        log: LogBook::new(limits.log_lines, limits.log_line_bytes),
        reasons: work.reasons.then(|| ReasonBook::new(work.rows, limits)),
    };
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| &mut state.memory);
    // Before the instance is made: start functions run too.
    store.set_epoch_deadline(limits.ticks_for(work.rows));
    store.set_hostcall_fuel(limits.handed_for(work.rows));
    if engine.is_metered() {
        // Cannot fail where fuel is on; where it did, the count would say so.
        let _ = store.set_fuel(u64::MAX);
    }

    let (outcome, step, store) = match pre.instantiate(&mut store) {
        Ok(exports) => {
            let mut running = Running { exports, store, step: Step::Start, message_limit: limits.message_bytes };
            let outcome = body(&mut running);
            (outcome, running.step, running.store)
        }
        Err(error) => (Err(Failure::Machine(error)), Step::Start, store),
    };
    let fuel = engine.is_metered().then(|| u64::MAX - store.get_fuel().unwrap_or(u64::MAX));
    let CallState { memory, log, reasons, .. } = store.into_data();
    let (log, log_dropped) = log.close();
    let report = Report {
        elapsed: started.elapsed(),
        waited: started.duration_since(queued),
        memory_bytes: memory.held_bytes(),
        fuel,
        log,
        log_dropped,
        reasons: reasons.map(ReasonBook::close).unwrap_or_default(),
    };
    report.trace(identity, work.shard);
    match outcome {
        Ok(answer) => Ok(Called { answer, report }),
        Err(failure) => {
            let kind = match failure {
                Failure::Known(kind) => kind,
                Failure::Machine(error) => explain(&error, step, &memory, limits.time_for(work.rows)),
            };
            Err(PolicyError::new(identity.clone(), kind, report))
        }
    }
}

/// What an error of the machine means.
fn explain(
    error: &wasmtime::Error,
    step: Step,
    memory: &MemoryMeter,
    time_limit: std::time::Duration,
) -> PolicyErrorKind {
    if let Some(Trap::Interrupt) = error.downcast_ref::<Trap>() {
        return PolicyErrorKind::Deadline { step, limit: time_limit };
    }
    if let Some(wanted_bytes) = memory.refused_bytes() {
        return PolicyErrorKind::Memory { step, wanted_bytes, limit_bytes: memory.limit_bytes() };
    }
    trap(error, step).unwrap_or_else(|| PolicyErrorKind::Unreadable { step, why: one_line(error, SHOWN_BYTES) })
}
