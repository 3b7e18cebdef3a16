-- title: ADD COLUMN json: SELECT DISTINCT * has no equality for it
-- catalogue: 12
-- visible: before-after
-- exit: 5
-- finding: broken 42883 /select distinct \*/
-- cause: /column tickets.extra is of type json/
-- why: json, unlike jsonb, has no equality operator

-- section: migration
alter table tickets add column extra json;

-- section: traffic role=app protocol=simple calls=20
\set id random(1, 2000)
select distinct * from tickets where id = :id;
