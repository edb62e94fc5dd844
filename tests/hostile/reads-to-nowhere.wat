;; Has a column written where it has no memory.
(func $on-select (call $ids (global.get $layers) (i32.const -8)))
