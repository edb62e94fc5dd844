;; Gives its layers back as a queue.
(func $on-select (call $drop-queue (global.get $layers)))
