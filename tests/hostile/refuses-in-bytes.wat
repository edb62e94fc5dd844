;; Refuses to select, in words that are none.
(data (i32.const 131072) "\f0\28\8c\bc")
(func $on-select
  (i32.store (i32.const 192) (i32.const 1))
  (i32.store (i32.const 200) (i32.const 131072))
  (i32.store (i32.const 204) (i32.const 4)))
