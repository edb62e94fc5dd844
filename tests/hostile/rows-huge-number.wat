;; Lists the last layer that there could ever be.
(func $on-select (call $set-row (i32.const 0) (i32.const -1)))
