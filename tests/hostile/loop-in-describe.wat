;; Never says who it is.
(func $on-describe (loop $again (br $again)))
