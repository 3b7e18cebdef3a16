-- title: text to citext: what differs only in case is equal now
-- catalogue: 21
-- visible: before-after
-- exit: 5
-- finding: different /count\(distinct country\)/
-- also: /country/
-- cause: /column customers.country changed from text to citext/
-- why: 'DE' and 'de' are one value

-- section: migration
drop materialized view sales;
alter table customers alter column country type citext;
create materialized view sales as
    select c.country::text, count(*) as orders, sum(o.total) as total
      from orders o join customers c on c.id = o.customer_id group by c.country::text;
grant select on sales to app, readonly;

-- section: traffic role=app protocol=simple calls=20
select count(distinct country) from customers where id <= 1000;
