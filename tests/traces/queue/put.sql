\set n random(1, 5)
\set c 1000001 - random_zipfian(1, 1000000, 1.03)
insert into job (customer, body) select greatest(1, :c - n), repeat(md5(n::text), 5) from generate_series(1, :n) n;
