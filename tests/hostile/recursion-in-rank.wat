;; Calls itself until the stack is gone.
(func $on-rank (call $on-rank) (call $on-rank))
