;; Refuses its configuration in words that are none.
(data (i32.const 131072) "\ff\fe")
(func $on-configure
  (i32.store (i32.const 128) (i32.const 1))
  (i32.store (i32.const 132) (i32.const 131072))
  (i32.store (i32.const 136) (i32.const 2)))
