\set c 1000001 - random_zipfian(1, 1000000, 1.03)
select name, notes from customer where id between :c - 30 and :c;
