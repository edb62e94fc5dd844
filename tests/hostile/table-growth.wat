;; Makes a table longer until it is refused.
(table $long 1 funcref)
(func $on-select
  (loop $again (br_if $again (i32.ne (table.grow $long (ref.null func) (i32.const 1000)) (i32.const -1))))
  unreachable)
