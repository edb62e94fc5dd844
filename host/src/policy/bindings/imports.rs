//! What policies may import: defined once, and linked under the name of every version that has it.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, WasmStr};

use super::CallState;
use super::handles::{LayerTableHandle, UploadQueueHandle};
use super::v0_2::log::Level as WitLevel;
use crate::layer::{Column, LayerTable};
use crate::policy::contract::Contract;
use crate::policy::queue::UploadQueue;
use crate::policy::report::Level;

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

/// Defines all that a policy may import, in every version: of each no more than it says, so that a component which says
/// that it needs no more than an old host has does not.
pub(in crate::policy) fn define_imports(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    for contract in Contract::ALL {
        let mut tables = linker.instance(&contract.import("tables"))?;
        define_layer_table(&mut tables)?;
        if contract >= Contract::V0_2 {
            define_resident_times(&mut tables)?;
        }
        define_upload_queue(&mut tables)?;
        linker.instance(&contract.import("log"))?.func_wrap("write", write_log)?;
        if contract >= Contract::V0_2 {
            define_reasons(&mut linker.instance(&contract.import("reasons"))?)?;
        }
    }
    Ok(())
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

fn define_resident_times(tables: &mut LinkerInstance<'_, CallState>) -> wasmtime::Result<()> {
    columns! { tables: LayerTableHandle, layers;
        "[method]layer-table.resident-times" => LayerTable::resident_times: i64,
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

fn define_reasons(reasons: &mut LinkerInstance<'_, CallState>) -> wasmtime::Result<()> {
    reasons
        .func_wrap("wanted", |store: StoreContextMut<'_, CallState>, (): ()| Ok((store.data().reasons.is_some(),)))?;
    reasons.func_wrap("give", give_reason)
}

/// Where nobody asked, or the row is none, the text is not even read.
fn give_reason(mut store: StoreContextMut<'_, CallState>, (row, reason): (u32, WasmStr)) -> wasmtime::Result<()> {
    // Taken out, because the text is read in the memory of the same store.
    let Some(mut book) = store.data_mut().reasons.take() else { return Ok(()) };
    if book.admits(row) {
        book.give(row, &reason.to_str(&store)?);
    }
    store.data_mut().reasons = Some(book);
    Ok(())
}
