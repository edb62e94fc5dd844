\set product random_zipfian(1, 150000, 1.05)
\set shop random(1, 2000)
select p.name, s.name from product p, shop s where p.id = :product and s.id = :shop;
