;; Its list is not where a list may be.
(func $on-select (call $set-rows (i32.const 131073) (i32.const 1)))
