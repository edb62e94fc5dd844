//! The contract as the host sees it: types and exports from the WIT, one module a version; imports by hand.
//!
//! By hand, because a column is then lowered straight out of the shared vector into the policy's memory,
//! and because a log line is read in place, as far as it is kept.

mod imports;
mod v0_1;
mod v0_2;

use std::sync::Arc;

use thermocline_policy::{Description, Selection, Tenant};
use wasmtime::component::{Component, InstancePre, Resource};
use wasmtime::{Store, bail};

use self::handles::{LayerTableHandle, UploadQueueHandle};
pub(super) use self::imports::define_imports;
use self::v0_2::types;
use super::contract::Contract;
use super::memory::MemoryMeter;
use super::queue::UploadQueue;
use super::reasons::ReasonBook;
use super::report::LogBook;
use crate::layer::LayerTable;

#[allow(unreachable_pub, reason = "the generated modules re-export them")]
mod handles {
    /// What a policy's handle to the table stands for: a call has one table, so the handle carries nothing.
    #[derive(Debug)]
    pub struct LayerTableHandle;

    /// As [`LayerTableHandle`], for the queue.
    #[derive(Debug)]
    pub struct UploadQueueHandle;
}

/// What one call has.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) view: View,
    pub(super) memory: MemoryMeter,
    pub(super) log: LogBook,
    /// `None` where nobody asked why.
    pub(super) reasons: Option<ReasonBook>,
}

/// What a call may look at.
#[derive(Clone, Debug)]
pub(super) enum View {
    Nothing,
    Layers(Arc<LayerTable>),
    Uploads(Arc<UploadQueue>),
}

impl CallState {
    fn layers(&self) -> wasmtime::Result<&LayerTable> {
        match &self.view {
            View::Layers(table) => Ok(table),
            View::Nothing | View::Uploads(_) => bail!("this call has no table of layers"),
        }
    }

    fn uploads(&self) -> wasmtime::Result<&UploadQueue> {
        match &self.view {
            View::Uploads(queue) => Ok(queue),
            View::Nothing | View::Layers(_) => bail!("this call has no queue of uploads"),
        }
    }
}

/// A component that was linked, ready to be instantiated, whichever version of the contract it was built for.
#[derive(Clone)]
pub(super) enum PolicyPre {
    V0_1(v0_1::Pre<CallState>),
    V0_2(v0_2::Pre<CallState>),
}

impl PolicyPre {
    /// What was compiled.
    pub(super) fn component(&self) -> &Component {
        match self {
            PolicyPre::V0_1(pre) => pre.instance_pre().component(),
            PolicyPre::V0_2(pre) => pre.instance_pre().component(),
        }
    }

    /// # Errors
    /// If the component does not export what policies of this version do.
    pub(super) fn new(contract: Contract, linked: InstancePre<CallState>) -> wasmtime::Result<Self> {
        Ok(match contract {
            Contract::V0_1 => PolicyPre::V0_1(v0_1::Pre::new(linked)?),
            Contract::V0_2 => PolicyPre::V0_2(v0_2::Pre::new(linked)?),
        })
    }

    /// # Errors
    /// As those of [`InstancePre::instantiate`].
    pub(super) fn instantiate(&self, store: &mut Store<CallState>) -> wasmtime::Result<Exports> {
        Ok(match self {
            PolicyPre::V0_1(pre) => Exports::V0_1(pre.instantiate(store)?),
            PolicyPre::V0_2(pre) => Exports::V0_2(pre.instantiate(store)?),
        })
    }
}

/// What an instance exports, in the host's own types. The tables of [`View`] are lent to it for the length of a call.
pub(super) enum Exports {
    V0_1(v0_1::Exports),
    V0_2(v0_2::Exports),
}

/// The same call of every version whose types for it are the newest.
macro_rules! of_any_version {
    ($instance:expr, $exports:ident => $call:expr) => {
        match $instance {
            Exports::V0_1($exports) => $call,
            Exports::V0_2($exports) => $call,
        }
    };
}

impl Exports {
    pub(super) fn describe(&self, store: &mut Store<CallState>) -> wasmtime::Result<Description> {
        let described = of_any_version!(self, exports => exports.call_describe(store))?;
        let types::Description { name, version, summary, config_schema } = described;
        Ok(Description { name, version, summary, config_schema })
    }

    pub(super) fn configure(&self, store: &mut Store<CallState>, config: &str) -> wasmtime::Result<Result<(), String>> {
        of_any_version!(self, exports => exports.call_configure(store, config))
    }

    pub(super) fn select(
        &self,
        store: &mut Store<CallState>,
        tenant: &Tenant,
        memory: &[u8],
    ) -> wasmtime::Result<Result<Selection, String>> {
        let tenant = types::Tenant {
            shard: tenant.shard.clone(),
            generation: tenant.generation,
            now: tenant.now,
            checkpoint_distance: tenant.checkpoint_distance,
        };
        let layers: Resource<LayerTableHandle> = Resource::new_borrow(0);
        let answer = of_any_version!(self, exports => exports.call_select(store, &tenant, layers, memory))?;
        Ok(answer.map(|types::Selection { rows, cold_from, heats, valid_for, memory }| Selection {
            rows,
            cold_from,
            heats,
            valid_for,
            memory,
        }))
    }

    pub(super) fn rank_uploads(
        &self,
        store: &mut Store<CallState>,
        now: i64,
    ) -> wasmtime::Result<Result<Vec<u32>, String>> {
        let queue: Resource<UploadQueueHandle> = Resource::new_borrow(0);
        of_any_version!(self, exports => exports.call_rank_uploads(store, now, queue))
    }
}
