;; Never says whose upload is first.
(func $on-rank (loop $again (br $again)))
