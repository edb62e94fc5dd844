select kind, count(distinct user_id), sum(length(body)) from events
    where ts > (select max(ts) from events) - interval '70 hours' group by kind;
