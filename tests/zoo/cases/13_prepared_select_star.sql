-- title: Any column change while SELECT * is prepared in an open session
-- catalogue: 13
-- visible: during
-- live: reader
-- exit: 5
-- finding: broken 0A000 /select \* from tickets/
-- cause: /tickets.extra was added.*0A000 until re-prepared/
-- also: /alter table tickets/
-- why: sessions of a replay begin after the migration; only those open across it hold the old plan

-- section: migration
alter table tickets add column extra text;

-- section: traffic role=app protocol=prepared calls=80 clients=2
\set n random(1, 2000)
\sleep 50 ms
select * from tickets where id = :n;
