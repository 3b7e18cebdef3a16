-- title: ADD COLUMN NOT NULL without default, on a table with rows
-- catalogue: 10
-- visible: before-after
-- exit: 7
-- finding: migration-failed 23502
-- cause: /23502.*nullable/
-- why: passes on the empty database of other CI jobs

-- section: migration
alter table orders add column channel text not null;
