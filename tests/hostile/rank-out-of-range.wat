;; Puts a shard first that is not due.
(func $on-rank (i32.store (i32.const 131072) (i32.const 7000)) (call $set-ranking (i32.const 131072) (i32.const 1)))
