;; Says that it is the built-in policy. Its digest does not.
(data (i32.const 131072) "resident-set")
(func $on-describe (i32.store (i32.const 64) (i32.const 131072)) (i32.store (i32.const 68) (i32.const 12)))
(func $on-select unreachable)
