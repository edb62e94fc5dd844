;; Will not rank.
(data (i32.const 131072) "ask somebody else")
(func $on-rank (call $set-ranking (i32.const 131072) (i32.const 17)) (i32.store (i32.const 256) (i32.const 1)))
