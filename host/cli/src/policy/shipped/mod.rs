//! Policies that come with the command, beside the one that comes with the host.

/// A policy that comes with the command: the component of a crate in `plugins/`. A test builds it again from its source
/// and compares. After a change there, with the name of the policy for `NAME`:
///
/// ```text
/// cargo run -p thermocline-cli -- policy build plugins/NAME -o host/cli/src/policy/shipped/NAME.wasm
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// What it calls itself, and its folder in `plugins/` is called.
    pub name: &'static str,
    /// Its component.
    pub component: &'static [u8],
}

/// All of them, by name.
pub const SHIPPED: &[Shipped] = &[
    Shipped { name: "budget", component: include_bytes!("budget.wasm") },
    Shipped { name: "decay", component: include_bytes!("decay.wasm") },
];

/// The policy of this name, if it comes with the command.
pub fn shipped(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|shipped| shipped.name == name)
}
