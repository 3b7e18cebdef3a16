-- title: Any column change while SELECT * is prepared in an open session
-- catalogue: 13
-- visible: during
-- finding: broken 0A000
-- why: sessions of a replay begin after the migration; only those open across it hold the old plan

-- section: migration
alter table tickets add column extra text;
