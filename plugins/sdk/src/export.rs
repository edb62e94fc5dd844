//! The macro that makes a component of a policy.

/// Exports a [`Policy`](crate::Policy) as the component of this crate.
///
/// Write it once, at the root of a library crate, and build the crate
/// with `thermocline policy build`. Natively it exports nothing, and still checks that the type is a
/// policy, so the same crate compiles into ordinary tests.
///
/// A policy that panics ends its call, and the message goes to the host's log as a warning.
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        const _: () = {
            // Names the type a policy even where nothing is exported.
            const _: fn(&str) -> ::core::result::Result<$policy, ::std::string::String> =
                <$policy as $crate::Policy>::configure;

            #[cfg(target_arch = "wasm32")]
            type Component = $crate::component::Component<$policy>;
            #[cfg(target_arch = "wasm32")]
    $crate::component::bindings::export_component!(Component with_types_in $crate::component::bindings);
        };
    };
}
