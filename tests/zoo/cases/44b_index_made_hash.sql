-- title: A btree index replaced by a hash index: no ranges, no order
-- catalogue: 44
-- visible: before-after
-- exit: 5
-- finding: slower|more-work /from orders where placed/
-- cause: /Seq Scan on orders .* because index orders_placed was replaced by one that does not serve the query/
-- fix: /create index concurrently \w+ on public.orders using btree \(placed\);/
-- textbook: create index on orders (placed)
-- why: hash indexes answer equality only

-- section: migration
drop index orders_placed;
create index orders_placed on orders using hash (placed);

-- section: traffic role=app protocol=prepared calls=40
\set n random(1, 30000)
select id, placed from orders where placed > timestamptz '2026-01-01 00:00+00' + :n * interval '1 minute' order by placed limit 10;
