;; Calls a function as what it is not.
(type $number (func (result i64)))
(table $one 1 1 funcref)
(elem (i32.const 0) $on-start)
(func $on-start)
(func $on-select (drop (call_indirect $one (type $number) (i32.const 0))))
