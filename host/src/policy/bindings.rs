//! The contract as the host sees it: types and exports from the WIT, imports by hand.
//!
//! By hand, because a column is then lowered straight out of the shared vector into the policy's memory,
//! and because a log line is read in place, as far as it is kept.

use std::sync::Arc;

use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmStr};
use wasmtime::{StoreContextMut, bail};

use self::generated::thermocline::policy::log::Level as WitLevel;
pub(super) use self::generated::{Description, Policy as Exports, PolicyPre, Selection, Tenant};
use super::memory::MemoryMeter;
use super::queue::UploadQueue;
use super::report::{Level, LogBook};
use crate::layer::{Column, LayerTable};

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "generated"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "policy",
        with: {
            "thermocline:policy/tables.layer-table": super::handles::LayerTableHandle,
            "thermocline:policy/tables.upload-queue": super::handles::UploadQueueHandle,
        },
    });
}

pub(super) use self::handles::{LayerTableHandle, UploadQueueHandle};

#[allow(unreachable_pub, reason = "the generated module re-exports them")]
mod handles {
    /// What a policy's handle to the table stands for: a call has one table, so the handle carries nothing.
    #[derive(Debug)]
    pub struct LayerTableHandle;

    /// As [`LayerTableHandle`], for the queue.
    #[derive(Debug)]
    pub struct UploadQueueHandle;
}

/// The interfaces that a policy may import. `types` has no functions, and comes with the others.
pub(super) const IMPORTS: [&str; 3] = [TABLES, LOG, "thermocline:policy/types@0.1.0"];
const TABLES: &str = "thermocline:policy/tables@0.1.0";
const LOG: &str = "thermocline:policy/log@0.1.0";

/// What one call has.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) view: View,
    pub(super) memory: MemoryMeter,
    pub(super) log: LogBook,
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

/// Handles to what [`View`] holds. They are lent for the length of the call.
pub(super) fn lend_layers() -> Resource<LayerTableHandle> {
    Resource::new_borrow(0)
}

pub(super) fn lend_uploads() -> Resource<UploadQueueHandle> {
    Resource::new_borrow(0)
}

/// One import a column. The column is shared for the length of the copy, and copied once: into the
/// policy's memory.
macro_rules! columns {
    ($instance:ident: $handle:ty, $view:ident; $($import:literal => $table:ident::$column:ident: $item:ty,)*) => {
        $($instance.func_wrap($import, |store: StoreContextMut<'_, CallState>, (_,): (Resource<$handle>,)| {
            let column: Column<$item> = Arc::clone($table::$column(store.data().$view()?));
            Ok((column,))
        })?;)*
    };
}

/// Defines all that a policy may import.
pub(super) fn define_imports(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    let mut tables = linker.instance(TABLES)?;
    define_layer_table(&mut tables)?;
    define_upload_queue(&mut tables)?;
    linker.instance(LOG)?.func_wrap("write", write_log)
}

fn define_layer_table(tables: &mut LinkerInstance<'_, CallState>) -> wasmtime::Result<()> {
    tables.resource("layer-table", ResourceType::host::<LayerTableHandle>(), |_, _| Ok(()))?;
    tables.func_wrap(
        "[method]layer-table.rows",
        |store: StoreContextMut<'_, CallState>, (_,): (Resource<LayerTableHandle>,)| {
            Ok((thermocline_policy::Layers::rows(store.data().layers()?),))
        },
    )?;
    columns! { tables: LayerTableHandle, layers;
        "[method]layer-table.marks" => LayerTable::marks: u8,
        "[method]layer-table.ids" => LayerTable::ids: u64,
        "[method]layer-table.timelines" => LayerTable::timelines: u32,
        "[method]layer-table.key-starts-high" => LayerTable::key_starts_high: u64,
        "[method]layer-table.key-starts-low" => LayerTable::key_starts_low: u64,
        "[method]layer-table.key-ends-high" => LayerTable::key_ends_high: u64,
        "[method]layer-table.key-ends-low" => LayerTable::key_ends_low: u64,
        "[method]layer-table.lsn-starts" => LayerTable::lsn_starts: u64,
        "[method]layer-table.lsn-ends" => LayerTable::lsn_ends: u64,
        "[method]layer-table.file-sizes" => LayerTable::file_sizes: u64,
        "[method]layer-table.access-times" => LayerTable::access_times: i64,
        "[method]layer-table.access-counts" => LayerTable::access_counts: u64,
    }
    Ok(())
}

fn define_upload_queue(tables: &mut LinkerInstance<'_, CallState>) -> wasmtime::Result<()> {
    tables.resource("upload-queue", ResourceType::host::<UploadQueueHandle>(), |_, _| Ok(()))?;
    tables.func_wrap(
        "[method]upload-queue.rows",
        |store: StoreContextMut<'_, CallState>, (_,): (Resource<UploadQueueHandle>,)| {
            Ok((thermocline_policy::Uploads::rows(store.data().uploads()?),))
        },
    )?;
    columns! { tables: UploadQueueHandle, uploads;
        "[method]upload-queue.overdue" => UploadQueue::overdue: u64,
        "[method]upload-queue.ages" => UploadQueue::ages: u64,
        "[method]upload-queue.periods" => UploadQueue::periods: u64,
        "[method]upload-queue.hot-bytes" => UploadQueue::hot_bytes: u64,
        "[method]upload-queue.changes" => UploadQueue::changes: u64,
        "[method]upload-queue.failures" => UploadQueue::failures: u32,
    }
    Ok(())
}

/// A line over the limit is not even read: a flood costs the host nothing but counting.
fn write_log(mut store: StoreContextMut<'_, CallState>, (level, message): (WitLevel, WasmStr)) -> wasmtime::Result<()> {
    let level = match level {
        WitLevel::Debug => Level::Debug,
        WitLevel::Info => Level::Info,
        WitLevel::Warn => Level::Warn,
    };
    if store.data().log.is_full() {
        store.data_mut().log.drop_line();
        return Ok(());
    }
    let message = store.data().log.fit(&message.to_str(&store)?);
    store.data_mut().log.push(level, message);
    Ok(())
}
