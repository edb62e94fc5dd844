\set group permute(random_zipfian(1, 100, 1.3) - 1, 100, 11)
\set aid :group * 5000 + random(1, 5000)
select abalance from pgbench_accounts where aid between :aid and :aid + 60;
