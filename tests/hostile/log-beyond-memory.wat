;; Logs what it does not have.
(func $on-select (call $log (i32.const 1) (i32.const -16) (i32.const 8)))
