;; Makes an integer of what is no number.
(func $on-select (drop (i32.trunc_f32_s (f32.const nan))))
