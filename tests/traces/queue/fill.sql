create table customer (id int primary key, name text not null, notes text not null);
insert into customer select n, md5(n::text), repeat(md5(n::text), 6) from generate_series(1, 1000000) n;
create table job (id bigserial primary key, customer int not null, state int not null default 0, body text not null)
    with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
create index job_waiting on job (id) where state = 0;
create table archive (id bigint primary key, customer int not null, body text not null);
insert into archive select n, 1 + n % 1000000, repeat(md5(n::text), 5) from generate_series(1, 1000000) n;
create index archive_customer on archive (customer);
insert into job (customer, body) select 1000000 - n, repeat(md5(n::text), 5) from generate_series(1, 20000) n;
select setval('job_id_seq', 2000000);
vacuum analyze;
