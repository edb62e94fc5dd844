//! Whether one contract may follow another.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::abi::WasmType;
use wit_parser::{
    Function, ManglingAndAbi, Resolve, ResourceIntrinsic, TypeDefKind, WasmExport, WasmExportKind, WasmImport, WorldId,
    WorldItem, WorldKey,
};

const MANGLING: ManglingAndAbi = ManglingAndAbi::Standard32;

/// Whether what was built for `old` fits into a host of `new`: a component that imports and exports all that `old` has
/// must be of the type of `new`. That is what `wit_component::semver_check` does, behind a feature.
pub(crate) fn semver_check(old: &str, new: &str) -> anyhow::Result<()> {
    let mut resolve = Resolve::default();
    let mut world = |name, text| -> anyhow::Result<WorldId> {
        let package = resolve.push_source(name, text)?;
        resolve.select_world(&[package], Some("policy"))
    };
    let (old, new) = (world("old.wit", old)?, world("new.wit", new)?);
    // Names are compared as they are, and the version is not what is compared.
    resolve.packages.iter_mut().for_each(|(_, package)| package.name.version = None);

    let mut module = wat::parse_str(module(&resolve, old))?;
    wit_component::embed_component_metadata(&mut module, &resolve, old, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().module(&module)?.encode()?;
    wit_component::targets(&resolve, new, &component)
}

/// A module with all that a world imports and exports, which does nothing.
fn module(resolve: &Resolve, world: WorldId) -> String {
    let world = &resolve.worlds[world];
    let mut text = String::from("(module\n");
    for (key, import) in &world.imports {
        let WorldItem::Interface { id, .. } = import else { continue };
        let interface = &resolve.interfaces[*id];
        for function in interface.functions.values() {
            let named = WasmImport::Func { interface: Some(key), func: function };
            import_function(&mut text, resolve, named, &signature(resolve, function, true));
        }
        let resources = interface.types.values().filter(|id| matches!(resolve.types[**id].kind, TypeDefKind::Resource));
        for &resource in resources {
            let intrinsic = ResourceIntrinsic::ImportedDrop;
            let named = WasmImport::ResourceIntrinsic { interface: Some(key), resource, intrinsic };
            import_function(&mut text, resolve, named, "(param i32)");
        }
    }
    for (key, export) in &world.exports {
        let (WorldKey::Name(_), WorldItem::Function(function)) = (key, export) else {
            panic!("the policy's exports are functions");
        };
        let named = WasmExport::Func { interface: None, func: function, kind: WasmExportKind::Normal };
        let name = resolve.wasm_export_name(MANGLING, named);
        let signature = signature(resolve, function, false);
        writeln!(text, "(func (export {name:?}) {signature} unreachable)").unwrap();
    }
    let name = |export| resolve.wasm_export_name(MANGLING, export);
    let (memory, realloc, initialize) =
        (name(WasmExport::Memory), name(WasmExport::Realloc), name(WasmExport::Initialize));
    write!(
        text,
        "(memory (export {memory:?}) 0)
        (func (export {realloc:?}) (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export {initialize:?})))"
    )
    .unwrap();
    text
}

fn import_function(text: &mut String, resolve: &Resolve, named: WasmImport<'_>, signature: &str) {
    let (module, name) = resolve.wasm_import_name(MANGLING, named);
    writeln!(text, "(import {module:?} {name:?} (func {signature}))").unwrap();
}

fn signature(resolve: &Resolve, function: &Function, imported: bool) -> String {
    let variant = if imported { MANGLING.import_variant() } else { MANGLING.export_variant() };
    let signature = resolve.wasm_signature(variant, function);
    let types = |kind: &str, types: &[WasmType]| {
        let names: Vec<_> = types.iter().map(|of| name(*of)).collect();
        if names.is_empty() { String::new() } else { format!("({kind} {})", names.join(" ")) }
    };
    types("param", &signature.params) + &types("result", &signature.results)
}

/// Of 32 bits, as its pointers and lengths are.
const fn name(of: WasmType) -> &'static str {
    match of {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}
