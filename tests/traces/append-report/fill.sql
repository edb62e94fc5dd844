create table events (id bigserial primary key, ts timestamptz not null, user_id int not null, kind int not null,
    body text not null);
select setseed(0.5);
insert into events (ts, user_id, kind, body)
    select timestamptz '2026-01-01' + n * interval '1 second', (power(random(), 3) * 50000)::int, n % 17,
        repeat(md5(n::text), 3)
    from generate_series(1, 2500000) n;
create index events_ts on events (ts);
create index events_user on events (user_id, ts);
vacuum analyze events;
