//! From the trait to a component: the bindings of the WIT world, and the macro that joins them to a policy.
