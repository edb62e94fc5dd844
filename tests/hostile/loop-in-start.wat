;; The instance is never ready.
(func $on-start (loop $again (br $again)))
