;; Thinks about its configuration for ever.
(func $on-configure (loop $again (br $again)))
