-- title: An index on a column that every UPDATE changes: no HOT updates any more
-- catalogue: 46
-- visible: before-after
-- exit: 5
-- finding: slower|more-work /update counters/
-- cause: /index counters_(touched|hits) on counters was added: every such write maintains it/
-- why: each update writes an entry into every index; the counters of heap-only updates show it, no clock does

-- section: migration
create index counters_touched on counters (touched);
create index counters_hits on counters (hits);

-- section: traffic role=app protocol=prepared calls=200
\set id random(1, 2000)
\set n random(1, 1000000)
update counters set hits = hits + 1, touched = :n where id = :id;
