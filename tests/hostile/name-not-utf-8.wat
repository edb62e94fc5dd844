;; Its name is no text.
(data (i32.const 131072) "\c3\28")
(func $on-describe (i32.store (i32.const 64) (i32.const 131072)) (i32.store (i32.const 68) (i32.const 2)))
