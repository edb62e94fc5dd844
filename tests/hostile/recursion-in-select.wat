;; Calls itself until the stack is gone.
(func $on-select (call $on-select) (call $on-select))
