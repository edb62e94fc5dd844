\set aid :offset + random_gaussian(1, 200000, 3)
select abalance from pgbench_accounts where aid between :aid and :aid + 60;
