with t as (select id, customer from job where state = 0 order by id limit 3 for update skip locked),
     u as (update job set state = 1 from t where job.id = t.id returning job.id, job.customer)
    select count(*), max(c.name) from u join customer c on c.id = u.customer;
with d as (delete from job where id in (select id from job where state = 1 order by id limit 3 for update skip locked)
        returning id, customer, body)
    insert into archive select id, customer, body from d on conflict do nothing;
