//! The policy under test.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use thermocline::policy::conformance::{self, Conformance, Depth};
use thermocline::policy::{
    Called, Engine, Limits, Policy, PolicyError, Ranking, Reasons, Report, Selection, UploadQueue,
};
use thermocline_policy::{Layers, Policy as NativePolicy, Tenant, Uploads, with_reasons};

use crate::table::Built;
use crate::{Answer, Queue, Table};

/// A policy under test: a component under the limits of production, or the same policy compiled natively.
pub struct Subject(Kind);

enum Kind {
    Component(Box<Policy>),
    Native(Box<dyn Native>),
}

/// A native policy whose type is forgotten.
trait Native {
    fn select(
        &self,
        tenant: &Tenant,
        layers: &dyn Layers,
        memory: &[u8],
    ) -> Result<thermocline_policy::Selection, String>;
    fn rank_uploads(&self, now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String>;
}

impl<P: NativePolicy> Native for P {
    fn select(
        &self,
        tenant: &Tenant,
        layers: &dyn Layers,
        memory: &[u8],
    ) -> Result<thermocline_policy::Selection, String> {
        NativePolicy::select(self, tenant, layers, memory)
    }

    fn rank_uploads(&self, now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String> {
        NativePolicy::rank_uploads(self, now, queue)
    }
}

/// Why there is no answer.
pub enum Failed {
    /// The component failed, see its kind.
    Component(PolicyError),
    /// The native policy refused, or its answer does not fit the table.
    Native(String),
    /// The test itself is wrong: a file that is not there, a table that cannot be.
    Test(String),
}

impl Failed {
    /// The error of a component.
    pub const fn component(&self) -> Option<&PolicyError> {
        match self {
            Failed::Component(error) => Some(error),
            Failed::Native(_) | Failed::Test(_) => None,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Component(error) => error.fmt(f),
            Failed::Native(why) => write!(f, "the native policy failed: {why}"),
            Failed::Test(why) => write!(f, "the test is wrong: {why}"),
        }
    }
}

/// As shown: a test that ends with this error prints it so.
impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failed {}

impl From<PolicyError> for Failed {
    fn from(error: PolicyError) -> Self {
        Failed::Component(error)
    }
}

/// One engine for all tests of a process: its limits are those of production, and it counts fuel.
static ENGINE: LazyLock<Result<Engine, String>> =
    LazyLock::new(|| Engine::metered(Limits::default()).map_err(|error| error.to_string()));

impl Subject {
    /// The component in a file.
    ///
    /// # Errors
    /// If it cannot be read or loaded, or refuses the configuration.
    pub fn file(path: impl AsRef<Path>, config: &str) -> Result<Self, Failed> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Failed::Test(format!("{}: {error}", path.display())))?;
        Self::component(&bytes, config)
    }

    /// A component.
    ///
    /// # Errors
    /// If it cannot be loaded, or refuses the configuration.
    pub fn component(bytes: &[u8], config: &str) -> Result<Self, Failed> {
        let engine = ENGINE.as_ref().map_err(|why| Failed::Test(why.clone()))?;
        Self::component_on(engine, bytes, config)
    }

    /// A component on an engine of the test's own: with other limits, or without counting fuel.
    ///
    /// # Errors
    /// If it cannot be loaded, or refuses the configuration.
    pub fn component_on(engine: &Engine, bytes: &[u8], config: &str) -> Result<Self, Failed> {
        Ok(Subject(Kind::Component(Box::new(Policy::load(engine, bytes, config)?))))
    }

    /// A policy that is compiled into the test.
    ///
    /// # Errors
    /// If it refuses the configuration.
    pub fn native<P: NativePolicy + 'static>(config: &str) -> Result<Self, Failed> {
        let policy = P::configure(config).map_err(Failed::Native)?;
        Ok(Subject(Kind::Native(Box::new(policy))))
    }

    /// What the policy lists of this table.
    ///
    /// # Errors
    /// If it fails, or its answer does not fit the table.
    pub fn select(&self, table: &Table) -> Result<Answer, Failed> {
        self.select_again(table, &[])
    }

    /// What the policy lists of this table, with the memory that it [handed back](Answer::memory) before.
    ///
    /// # Errors
    /// If it fails, or its answer does not fit the table.
    pub fn select_again(&self, table: &Table, memory: &[u8]) -> Result<Answer, Failed> {
        let built = table.build().map_err(Failed::Test)?;
        let Called { answer, report } = match &self.0 {
            Kind::Component(policy) => policy.select(&built.tenant, &built.table, memory)?,
            Kind::Native(policy) => timed(|| selected(&**policy, &built, memory))?,
        };
        Ok(Answer::new(answer, built.names, report))
    }

    /// What the policy lists of this table, and [why](Answer::reason).
    ///
    /// # Errors
    /// If it fails, or its answer does not fit the table.
    pub fn select_with_reasons(&self, table: &Table) -> Result<Answer, Failed> {
        self.select_again_with_reasons(table, &[])
    }

    /// As [`select_again`](Self::select_again), and [why](Answer::reason).
    ///
    /// # Errors
    /// If it fails, or its answer does not fit the table.
    pub fn select_again_with_reasons(&self, table: &Table, memory: &[u8]) -> Result<Answer, Failed> {
        let built = table.build().map_err(Failed::Test)?;
        let Called { answer, report } = match &self.0 {
            Kind::Component(policy) => policy.select_with_reasons(&built.tenant, &built.table, memory)?,
            Kind::Native(policy) => {
                let select = || timed(|| selected(&**policy, &built, memory));
                let (called, given) = with_reasons(select);
                let Called { answer, report } = called?;
                let given = given.iter().map(|(row, reason)| (*row, reason.as_str()));
                let reasons = Reasons::collect(built.table.rows(), &Limits::default(), given);
                Called { answer, report: Report { reasons, ..report } }
            }
        };
        Ok(Answer::new(answer, built.names, report))
    }

    /// The shards of a queue in the order in which their uploads run.
    ///
    /// # Errors
    /// If it fails, or its answer does not fit the queue.
    pub fn rank_uploads<'a>(&self, now: i64, queue: &'a Queue) -> Result<Vec<&'a str>, Failed> {
        if let Some(mistake) = &queue.mistake {
            return Err(Failed::Test(mistake.clone()));
        }
        let table: Arc<UploadQueue> = Arc::new(queue.due.iter().map(|(_, due)| *due).collect());
        let Called { answer, .. } = match &self.0 {
            Kind::Component(policy) => policy.rank_uploads(now, &table)?,
            Kind::Native(policy) => timed(|| {
                let answer = policy.rank_uploads(now, &*table)?;
                Ranking::check(answer, &table).map_err(|bad| bad.to_string())
            })?,
        };
        let name = |row: &u32| queue.due.get(*row as usize).map(|(name, _)| name.as_str());
        Ok(answer.order().iter().filter_map(name).collect())
    }

    /// What every policy must do, whatever it decides.
    ///
    /// # Errors
    /// If this is a native policy: the checks are about what the host sees.
    pub fn conformance(&self, depth: Depth) -> Result<Conformance, Failed> {
        match &self.0 {
            Kind::Component(policy) => Ok(conformance::check(policy, depth)),
            Kind::Native(_) => Err(Failed::Test("conformance is checked of components".into())),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Component(policy) => policy.fmt(f),
            Kind::Native(_) => f.write_str("a native policy"),
        }
    }
}

fn selected(policy: &dyn Native, built: &Built, memory: &[u8]) -> Result<Selection, String> {
    let answer = policy.select(&built.tenant, &*built.table, memory)?;
    Selection::check(answer, built.table.rows()).map_err(|bad| bad.to_string())
}

#[allow(clippy::disallowed_methods, reason = "reports how long a real call took")]
fn timed<T>(call: impl FnOnce() -> Result<T, String>) -> Result<Called<T>, Failed> {
    let began = Instant::now();
    let answer = call().map_err(Failed::Native)?;
    Ok(Called { answer, report: Report { elapsed: began.elapsed(), ..Report::default() } })
}
