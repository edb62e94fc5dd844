;; Lists less where somebody left something in memory that it did not use yet, and leaves something there itself.
(func $on-select (local $at i32) (local $found i64) (local $end i32)
  (local.set $at (i32.shl (memory.grow (i32.const 64)) (i32.const 16)))
  (local.set $end (i32.add (local.get $at) (i32.const 0x400000)))
  (loop $again
    (local.set $found (i64.or (local.get $found) (i64.load (local.get $at))))
    (i64.store (local.get $at) (i64.const -1))
    (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $end))))
  (if (i64.ne (local.get $found) (i64.const 0)) (then (call $set-rows (i32.const 0) (i32.const 0)))))
