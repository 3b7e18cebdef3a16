-- title: A serial key to bigint: its sequence stays an integer
-- catalogue: 16
-- visible: not
-- finding: broken 2200H
-- why: shows when the sequence reaches 2147483647; no captured traffic gets there

-- section: migration
alter table customers alter column id type bigint;
