;; Calls a function that is none.
(type $nothing (func))
(table $one 1 1 funcref)
(func $on-select (call_indirect $one (type $nothing) (i32.const 0)))
