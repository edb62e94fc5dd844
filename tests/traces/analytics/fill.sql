create table product (id int primary key, category int not null, name text not null);
create table shop (id int primary key, region int not null, name text not null);
insert into product select n, n % 40, repeat(md5(n::text), 4) from generate_series(1, 150000) n;
insert into shop select n, n % 12, repeat(md5(n::text), 4) from generate_series(1, 2000) n;
select setseed(0.5);
create table sales_1 (id int not null, day int not null, product int not null, shop int not null, amount int not null,
    note text not null);
insert into sales_1 select n, n / 5000, 1 + (power(random(), 2) * 149999)::int, 1 + n % 2000, n % 977,
    repeat(md5(n::text), 3) from generate_series(1, 1500000) n;
create table sales_2 (like sales_1);
insert into sales_2 select * from sales_1 where id % 4 < 3;
create table sales_3 (like sales_1);
insert into sales_3 select * from sales_1 where id % 2 = 0;
create index sales_1_id on sales_1 (id);
vacuum analyze;
