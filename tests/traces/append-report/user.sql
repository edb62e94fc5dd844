\set user random_zipfian(1, 50000, 1.1)
select id, kind, body from events where user_id = :user order by ts desc limit 10;
