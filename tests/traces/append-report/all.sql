select kind, count(*), sum(length(body)) from events group by kind;
