;; Never answers.
(func $on-select (loop $again (br $again)))
