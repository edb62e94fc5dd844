;; Its name is where it has no memory.
(func $on-describe (i32.store (i32.const 64) (i32.const 0x7fffffff)))
