;; The stack is gone before anybody calls.
(func $on-start (call $on-start) (call $on-start))
