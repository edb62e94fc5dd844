;; Its cold layers begin behind the last one.
(func $on-select (call $set-cold-from (i32.const -1)))
