\set aid random_zipfian(1, 4000000, 1.02)
select abalance from pgbench_accounts where aid = :aid;
