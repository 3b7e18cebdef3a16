-- title: DETACH PARTITION: its rows are missing without an error
-- catalogue: 53
-- visible: before-after
-- exit: 5
-- finding: different /from events/
-- cause: /events_2026_01 was detached from events/
-- why: fewer rows

-- section: migration
alter table events detach partition events_2026_01;
