-- title: TRUNCATE
-- catalogue: 66
-- visible: before-after
-- exit: 5
-- finding: different /from archive_notes/
-- cause: /all rows of archive_notes are gone/
-- why: rows are gone

-- section: migration
truncate archive_notes;

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 500)
select words from archive_notes where id = :id;
