;; Reads a column millions of times, into the same place.
(func $on-select
  (loop $again (global.set $heap (i32.const 262144)) (call $ids (global.get $layers) (i32.const 131072)) (br $again)))
