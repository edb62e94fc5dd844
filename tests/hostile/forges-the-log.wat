;; Refuses its configuration in words that look like another line of the log.
(data (i32.const 131072) "no\0a{\22level\22:\22ERROR\22}")
(func $on-configure
  (i32.store (i32.const 128) (i32.const 1))
  (i32.store (i32.const 132) (i32.const 131072))
  (i32.store (i32.const 136) (i32.const 20)))
