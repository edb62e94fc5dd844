;; Lists more layers than there are.
(func $on-select (call $set-rows (i32.load (i32.const 200)) (i32.add (call $rows (global.get $layers)) (i32.const 1))))
