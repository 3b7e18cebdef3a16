-- title: RENAME SCHEMA
-- catalogue: 27
-- visible: before-after
-- exit: 5
-- finding: broken 42P01 /from shipping.parcels/
-- cause: /schema shipping was renamed to logistics/
-- why: all deployed code names the old schema

-- section: migration
alter schema shipping rename to logistics;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 1000)
select state from shipping.parcels where id = :id;
