select p.category, s.region, sum(f.amount) from :table f join shop s on s.id = f.shop
    join (select id, category from product where category < 5) p on p.id = f.product group by 1, 2;
