-- title: An index replaced by a partial one that the query cannot use
-- catalogue: 44
-- visible: before-after
-- exit: 5
-- finding: slower|more-work /from orders where reference/
-- cause: /Seq Scan on orders .* because index orders_reference was made partial/
-- fix: /create unique index concurrently \w+ on public.orders using btree \(reference\);/
-- textbook: create index on orders (reference)
-- why: the query does not say what the index's predicate needs

-- section: migration
drop index orders_reference;
create unique index orders_reference on orders (reference) where status = 'new';

-- section: traffic role=app protocol=prepared calls=40
\set n random(1, 40000)
select id, total from orders where reference = 'R-' || :n;
