\set from random(1, 1000000)
insert into events (ts, user_id, kind, body)
    select m.ts + n * interval '1 second', (power(random(), 3) * 50000)::int, n % 17, repeat(md5((:from + n)::text), 3)
    from (select max(ts) as ts from events) m, generate_series(1, 40) n;
