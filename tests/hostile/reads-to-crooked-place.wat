;; Has a column written where none may be.
(func $on-select (call $ids (global.get $layers) (i32.const 131073)))
