;; A tiny file that begins with a table of ten million entries.
(table $many 10000000 funcref)
