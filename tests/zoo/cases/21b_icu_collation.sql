-- title: Another collation: ORDER BY gives another order
-- catalogue: 21
-- visible: before-after
-- exit: 5
-- finding: different /order by country/
-- cause: /column customers.country is now sorted and compared by en-x-icu, not by default/
-- why: C sorts upper case first, the language does not

-- section: migration
drop materialized view sales;
alter table customers alter column country type text collate "en-x-icu";
create materialized view sales as
    select c.country collate "C" as country, count(*) as orders, sum(o.total) as total
      from orders o join customers c on c.id = o.customer_id group by 1;
grant select on sales to app, readonly;

-- section: traffic role=app protocol=simple calls=20
select country, count(*) from customers where id <= 1000 group by country order by country;
