;; Answers a thousand times, and then crashes. Nothing stays in an instance, so it counts in what it has remembered.
(func $on-select
  (if (i32.eq (global.get $memory-len) (i32.const 4))
    (then (i32.store (i32.const 131072) (i32.load (global.get $memory)))))
  (i32.store (i32.const 131072) (i32.add (i32.load (i32.const 131072)) (i32.const 1)))
  (if (i32.gt_u (i32.load (i32.const 131072)) (i32.const 1000)) (then unreachable))
  (call $set-memory (i32.const 131072) (i32.const 4)))
