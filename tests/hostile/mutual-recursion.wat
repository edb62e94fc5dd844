;; Two functions call each other through a table, which no look at the code tells.
(type $nothing (func))
(table $both 2 2 funcref)
(elem (i32.const 0) $one $other)
(func $one (call_indirect $both (type $nothing) (i32.const 1)) (call $one))
(func $other (call_indirect $both (type $nothing) (i32.const 0)) (call $other))
(func $on-select (call $one))
