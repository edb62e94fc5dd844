;; Crashes over the order.
(func $on-rank unreachable)
