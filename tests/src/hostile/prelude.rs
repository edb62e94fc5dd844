//! From what a file says to a component: the prelude, and the calls of the functions that the file defines.

use crate::by_hand::ByHand;

/// What every file begins with.
const PRELUDE: &str = include_str!("../../hostile/prelude.wat");

/// When a component does what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wakes {
    /// At every call.
    Always,
    /// Not while it is checked: the shard and the time of the checks are known to whoever looks them up.
    AfterTheChecks,
}

/// A component that answers as the built-in policy does, where all layers are alike.
pub(super) fn answers_well(name: &str) -> ByHand {
    with(name, "", Wakes::Always)
}

/// A component of what a file says.
pub(super) fn with(name: &str, text: &str, wakes: Wakes) -> ByHand {
    let call = |hook: &str, when: &str| {
        let call = format!("(call ${hook})");
        match wakes {
            _ if !text.contains(&format!("(func ${hook}")) => String::new(),
            Wakes::AfterTheChecks if !when.is_empty() => format!("(if {when} (then {call}))"),
            _ => call,
        }
    };
    let select = format!(
        "(global.set $layers (local.get $layers))
         (global.set $memory (local.get $memory-ptr)) (global.set $memory-len (local.get $memory-len))
         (call $list-all) {}",
        // The first four digits of the checks' tenant.
        call("on-select", "(i32.ne (i32.load (local.get $shard-ptr)) (i32.const 0x35336631))")
    );
    let rank = format!(
        "(global.set $queue (local.get $queue)) {}",
        call("on-rank", "(i64.ne (local.get $now) (i64.const 1767225600))")
    );
    let mut component = ByHand::conforming()
        .name(name)
        .field(PRELUDE)
        .field(text)
        .start(call("on-start", ""))
        .before_describe(&call("on-describe", ""))
        .before_configure(&call("on-configure", ""))
        .before_select(&select)
        .before_ranking(&rank);
    if text.contains("(func $on-realloc") {
        component = component.realloc("(call $on-realloc (local.get $at))");
    }
    if text.contains("(memory (export") {
        component = component.memory("");
    }
    component
}
