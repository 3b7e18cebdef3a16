-- title: DROP INDEX of one in use
-- catalogue: 43
-- visible: before-after
-- exit: 5
-- quick: yes
-- finding: slower|more-work /from orders where reference/
-- cause: /Seq Scan on orders .* because index orders_reference \(reference\) was dropped/
-- fix: /create unique index concurrently orders_reference on public.orders using btree \(reference\);/
-- textbook: create index on orders (reference)
-- why: a look-up becomes a scan of 40,000 rows

-- section: migration
drop index orders_reference;

-- section: traffic role=app protocol=prepared calls=40
\set n random(1, 40000)
select id, total from orders where reference = 'R-' || :n;
