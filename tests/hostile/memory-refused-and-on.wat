;; Is refused memory again and again, and goes on asking.
(func $on-select (loop $again (drop (memory.grow (i32.const 65535))) (br $again)))
