;; Logs two thousand lines. It does answer, and all but a few lines are dropped unread.
(func $on-select (local $left i32)
  (local.set $left (i32.const 2000))
  (loop $again
    (call $log (i32.const 2) (i32.const 131072) (i32.const 100000))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
