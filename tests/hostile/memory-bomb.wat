;; A tiny file that begins with all the memory there is: 4 GiB.
(memory (export "memory") 65536)
