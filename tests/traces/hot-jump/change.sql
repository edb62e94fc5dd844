\set aid :offset + random_gaussian(1, 200000, 3)
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
