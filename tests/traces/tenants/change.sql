\set aid random_zipfian(1, 500000, 1.05)
\set bid random(1, 5)
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
insert into pgbench_history (tid, bid, aid, delta, mtime) values (1, :bid, :aid, 1, current_timestamp);
