;; Lists a layer that does not exist.
(func $on-select (call $set-row (i32.const 0) (call $rows (global.get $layers))))
