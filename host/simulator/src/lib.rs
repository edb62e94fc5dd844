//! What a policy is worth: failovers simulated on a trace of page accesses.
