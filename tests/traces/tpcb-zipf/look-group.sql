\set group permute(random_zipfian(1, 400, 1.2) - 1, 400, 7)
\set aid :group * 10000 + random(1, 10000)
select abalance from pgbench_accounts where aid between :aid and :aid + 200;
