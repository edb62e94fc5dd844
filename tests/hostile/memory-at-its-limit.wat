;; Wants as much remembered as may be, at every call: 4 KiB and 24 bytes a row.
(func $on-select
  (call $set-memory
    (i32.const 0) (i32.add (i32.const 4096) (i32.mul (i32.const 24) (call $rows (global.get $layers))))))
