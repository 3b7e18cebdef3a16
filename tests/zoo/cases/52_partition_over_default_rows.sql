-- title: CREATE ... PARTITION OF, where the default partition holds its rows
-- catalogue: 52
-- visible: before-after
-- exit: 7
-- finding: migration-failed 23514
-- cause: /23514.*move them out/
-- why: passes where the default partition is empty

-- section: migration
create table events_2026_03 partition of events for values from ('2026-03-01') to ('2026-04-01');
