;; Crashes over its configuration.
(func $on-configure unreachable)
