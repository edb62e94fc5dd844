;; Compares each layer with each other: nothing for a small tenant, for ever for a large one.
(func $on-select (local $i i32) (local $j i32) (local $n i32)
  (local.set $n (call $rows (global.get $layers)))
  (if (local.get $n) (then
    (loop $rows
      (local.set $j (i32.const 0))
      (loop $others
        (i32.store (i32.const 131072) (i32.add (local.get $i) (i32.load (i32.const 131072))))
        (br_if $others (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
      (br_if $rows (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))))
