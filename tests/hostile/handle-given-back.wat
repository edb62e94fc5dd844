;; Goes on reading a table that it gave back.
(func $on-select (call $drop-layers (global.get $layers)) (drop (call $rows (global.get $layers))))
