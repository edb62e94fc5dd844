\set back random_zipfian(1, 30000, 1.1)
select kind, count(*) from events
    where id between (select last_value from events_id_seq) - :back - 200 and (select last_value from events_id_seq) - :back
    group by kind;
