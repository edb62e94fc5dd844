;; Grants the same room to everybody, so that what it is handed lies over what it answers.
(func $on-realloc (param $at i32) (result i32) (i32.const 192))
(func $on-select (call $ids (global.get $layers) (i32.const 131072)))
