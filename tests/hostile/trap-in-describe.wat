;; Crashes when it is asked who it is.
(func $on-describe unreachable)
