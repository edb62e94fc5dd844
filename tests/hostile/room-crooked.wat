;; Grants room for a column where none may be.
(func $on-select (call $ids (global.get $layers) (i32.const 131072)))
(func $on-realloc (param $at i32) (result i32)
  (if (result i32) (global.get $layers) (then (i32.const 262145)) (else (local.get $at))))
