;; Begins with a table one entry longer than one may be.
(table $many 20001 funcref)
