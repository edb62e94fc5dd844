//! From the trait to a component: the bindings of the WIT world, and what joins them to a policy.

use std::alloc::System;
use std::borrow::Cow;
use std::cell::RefCell;
use std::marker::PhantomData;

use self::bindings::thermocline::policy::log::{self as host_log, Level as HostLevel};
use self::bindings::thermocline::policy::reasons as host_reasons;
use self::bindings::{Guest, LayerTable, UploadQueue};
use crate::arena::{ARENA_BYTES, Arena};
use crate::{Description, Layers, Level, Policy, Selection, Tenant, Uploads};

/// What `wit-bindgen` makes of the contract. It is public for the export macro alone.
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "generated: crossing into the host is what it does"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "policy",
        pub_export_macro: true,
        export_macro_name: "export_component",
    });
}

/// A component's memory.
#[global_allocator]
static MEMORY: Arena<System, ARENA_BYTES> = Arena::before(System);

/// Why a call before `configure` fails. The host promises the order, so only a foreign host sees it.
const NOT_CONFIGURED: &str = "the host asked before `configure` succeeded: call it first, in the same instance";

thread_local! {
    /// The policy that `configure` made. An instance serves one call, and has one thread.
    static CONFIGURED: RefCell<Option<Box<dyn Configured>>> = const { RefCell::new(None) };
}

/// A policy whose type is forgotten, so that one cell holds any.
trait Configured {
    fn select(&self, tenant: &Tenant, layers: &dyn Layers, memory: Vec<u8>) -> Result<Selection, String>;
    fn rank_uploads(&self, now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String>;
}

impl<P: Policy> Configured for P {
    fn select(&self, tenant: &Tenant, layers: &dyn Layers, memory: Vec<u8>) -> Result<Selection, String> {
        Policy::select_in_place(self, tenant, layers, memory)
    }

    fn rank_uploads(&self, now: i64, queue: &dyn Uploads) -> Result<Vec<u32>, String> {
        Policy::rank_uploads(self, now, queue)
    }
}

fn configured<T>(call: impl FnOnce(&dyn Configured) -> Result<T, String>) -> Result<T, String> {
    CONFIGURED.with_borrow(|policy| call(policy.as_deref().ok_or(NOT_CONFIGURED)?))
}

/// The component of policy `P`.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Policy + 'static> Guest for Component<P> {
    fn describe() -> bindings::Description {
        report_panics();
        let Description { name, version, summary, config_schema } = P::describe();
        bindings::Description { name, version, summary, config_schema }
    }

    fn configure(config: String) -> Result<(), String> {
        report_panics();
        let policy = P::configure(&config)?;
        CONFIGURED.set(Some(Box::new(policy)));
        Ok(())
    }

    fn select(tenant: bindings::Tenant, layers: &LayerTable, memory: Vec<u8>) -> Result<bindings::Selection, String> {
        let bindings::Tenant { shard, generation, now, checkpoint_distance } = tenant;
        let tenant = Tenant { shard, generation, now, checkpoint_distance };
        let selection = configured(|policy| policy.select(&tenant, layers, memory))?;
        let Selection { rows, cold_from, heats, valid_for, memory } = selection;
        Ok(bindings::Selection { rows, cold_from, heats, valid_for, memory })
    }

    fn rank_uploads(now: i64, queue: &UploadQueue) -> Result<Vec<u32>, String> {
        configured(|policy| policy.rank_uploads(now, queue))
    }
}

/// Hands the message of a panic to the host before the trap, which carries none.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("the panic carries no message");
        match panic.location() {
            Some(location) => log(Level::Warn, &format!("panicked at {location}: {message}")),
            None => log(Level::Warn, &format!("panicked: {message}")),
        }
    }));
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => HostLevel::Debug,
        Level::Info => HostLevel::Info,
        Level::Warn => HostLevel::Warn,
    };
    host_log::write(level, message);
}

pub(crate) fn reasons_wanted() -> bool {
    host_reasons::wanted()
}

pub(crate) fn give_reason(row: u32, reason: &str) {
    host_reasons::give(row, reason);
}

/// Columns as the host hands them over: the list it wrote into this instance's memory becomes the
/// vector, with no copy in between.
macro_rules! columns {
    ($table:ty; $($column:ident: $item:ty),* $(,)?) => {
        $(fn $column(&self) -> Cow<'_, [$item]> {
            Cow::Owned(<$table>::$column(self))
        })*
    };
}

impl Layers for LayerTable {
    fn rows(&self) -> u32 {
        LayerTable::rows(self)
    }

    columns! {
        LayerTable;
        marks: u8,
        ids: u64,
        timelines: u32,
        key_starts_high: u64,
        key_starts_low: u64,
        key_ends_high: u64,
        key_ends_low: u64,
        lsn_starts: u64,
        lsn_ends: u64,
        file_sizes: u64,
        access_times: i64,
        access_counts: u64,
        resident_times: i64,
    }
}

impl Uploads for UploadQueue {
    fn rows(&self) -> u32 {
        UploadQueue::rows(self)
    }

    columns! {
        UploadQueue;
        overdue: u64,
        ages: u64,
        periods: u64,
        hot_bytes: u64,
        changes: u64,
        failures: u32,
    }
}
