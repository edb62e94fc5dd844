;; Copies more out of its file than is there.
(data $few "few")
(func $on-select (memory.init $few (i32.const 131072) (i32.const 0) (i32.const 4)))
