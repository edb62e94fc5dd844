\set c 1000001 - random_zipfian(1, 1000000, 1.03)
select count(*), max(body) from archive where customer between :c - 20 and :c;
