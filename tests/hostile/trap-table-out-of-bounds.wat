;; Calls a function behind the end of its table.
(type $nothing (func))
(table $one 1 1 funcref)
(func $on-select (call_indirect $one (type $nothing) (i32.const 9)))
