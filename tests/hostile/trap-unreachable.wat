;; Crashes.
(func $on-select unreachable)
