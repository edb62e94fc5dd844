;; Logs at a level that does not exist.
(func $on-select (call $log (i32.const 9) (i32.const 0) (i32.const 1)))
