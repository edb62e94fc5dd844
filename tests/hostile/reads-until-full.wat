;; Reads a column again and again, and keeps each copy.
(func $on-select (loop $again (call $ids (global.get $layers) (i32.const 131072)) (br $again)))
