;; Logs what is no text.
(data (i32.const 131072) "\ed\a0\80")
(func $on-select (call $log (i32.const 1) (i32.const 131072) (i32.const 3)))
