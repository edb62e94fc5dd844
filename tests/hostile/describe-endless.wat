;; Its summary is as long as its memory. Handing over so much is ended before it is looked at.
(memory (export "memory") 512)
(func $on-describe
  (i32.store (i32.const 80) (i32.const 0))
  (i32.store (i32.const 84) (i32.const 0x1ffffff)))
