;; Begins with twice the memory that a call may have.
(memory (export "memory") 2048)
