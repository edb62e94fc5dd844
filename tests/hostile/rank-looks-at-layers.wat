;; Reads the queue as if it were layers.
(func $on-rank (drop (call $rows (global.get $queue))))
