;; No instance of it can be made.
(func $on-start unreachable)
