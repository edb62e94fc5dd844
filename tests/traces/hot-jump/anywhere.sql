\set aid random(1, 4000000)
select abalance from pgbench_accounts where aid = :aid;
