\set id 1500000 - random_zipfian(1, 1000000, 1.1)
select * from sales_1 where id between :id and :id + 50;
