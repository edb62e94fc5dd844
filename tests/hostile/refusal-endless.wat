;; Refuses its configuration in sixteen million words.
(memory (export "memory") 512)
(func $on-configure
  (i32.store (i32.const 128) (i32.const 1))
  (i32.store (i32.const 132) (i32.const 0))
  (i32.store (i32.const 136) (i32.const 0x1ffffff)))
