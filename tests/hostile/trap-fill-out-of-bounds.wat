;; Writes from within its memory to far behind it.
(func $on-select (memory.fill (i32.const 131072) (i32.const 1) (i32.const 0x7fffffff)))
