;; Does nothing but log.
(func $on-select (loop $again (call $log (i32.const 2) (i32.const 131072) (i32.const 100000)) (br $again)))
