-- title: DROP INDEX that no captured query used
-- catalogue: S22
-- visible: before-after
-- exit: 0
-- finding: none
-- why: safe for the window captured

-- section: migration
drop index addresses_city;
