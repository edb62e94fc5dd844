;; What every hostile component begins with: it describes itself, takes no settings, lists every layer in the order of
;; the table, and ranks nothing. On a table whose layers are all resident, visible and of one LSN that is what the
;; built-in policy answers, so that whatever else a heatmap lists is the component's doing.
;;
;; A file may define these functions, without parameters, each called at its time:
;;   $on-start      when the instance is made
;;   $on-describe   before `describe` answers; the answer is at 64: name, version, summary, schema, an address and a
;;                  length each
;;   $on-configure  before `configure` accepts or refuses; the acceptance is at 128, the refusal at 640
;;   $on-select     when the answer to `select` is laid out, at 192
;;   $on-rank       before `rank-uploads` answers, at 256
;; and $on-realloc, of an address, for where what the host hands over goes. From 131072 up to 262144 memory is its own.

;; The call at hand.
(global $layers (mut i32) (i32.const 0))
(global $queue (mut i32) (i32.const 0))
(global $memory (mut i32) (i32.const 0))
(global $memory-len (mut i32) (i32.const 0))

(func $list-all (local $rows i32) (local $row i32) (local $at i32)
  (local.set $rows (call $rows (global.get $layers)))
  (local.set $at (call $alloc (i32.shl (local.get $rows) (i32.const 2))))
  (call $set-rows (local.get $at) (local.get $rows))
  (if (local.get $rows) (then (loop $again
    (i32.store (i32.add (local.get $at) (i32.shl (local.get $row) (i32.const 2))) (local.get $row))
    (br_if $again (i32.lt_u (local.tee $row (i32.add (local.get $row) (i32.const 1))) (local.get $rows)))))))

;; Lists so many rows, which stand there, all of them hot.
(func $set-rows (param $at i32) (param $len i32)
  (i32.store (i32.const 200) (local.get $at))
  (i32.store (i32.const 204) (local.get $len))
  (call $set-cold-from (local.get $len)))

;; Puts a row into the list.
(func $set-row (param $index i32) (param $row i32)
  (i32.store (i32.add (i32.load (i32.const 200)) (i32.shl (local.get $index) (i32.const 2))) (local.get $row)))

(func $set-cold-from (param i32) (i32.store (i32.const 208) (local.get 0)))

;; Gives each listed row a heat of zero, and says where they stand.
(func $heats (result i32) (local $at i32)
  (local.set $at (call $alloc (i32.shl (i32.load (i32.const 204)) (i32.const 2))))
  (i32.store8 (i32.const 212) (i32.const 1))
  (i32.store (i32.const 216) (local.get $at))
  (i32.store (i32.const 220) (i32.load (i32.const 204)))
  (local.get $at))

;; Wants these bytes remembered.
(func $set-memory (param $at i32) (param $len i32)
  (i32.store (i32.const 240) (local.get $at))
  (i32.store (i32.const 244) (local.get $len)))

;; Ranks so many rows, which stand there.
(func $set-ranking (param $at i32) (param $len i32)
  (i32.store (i32.const 260) (local.get $at))
  (i32.store (i32.const 264) (local.get $len)))
