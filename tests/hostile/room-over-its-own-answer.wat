;; Grants the same room to everybody, so that what it is handed lies over what it answers.
(func $on-realloc (param $at i32) (result i32)
  (if (result i32) (global.get $layers) (then (i32.const 192)) (else (local.get $at))))
(func $on-select (call $ids (global.get $layers) (i32.const 131072)))
