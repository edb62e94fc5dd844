;; Reads behind its memory.
(func $on-select (drop (i32.load (i32.const -4))))
