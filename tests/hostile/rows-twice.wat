;; Lists a layer twice.
(func $on-select (call $set-row (i32.const 0) (i32.const 1)))
