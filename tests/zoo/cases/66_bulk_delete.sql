-- title: A bulk DELETE
-- catalogue: 66
-- visible: before-after
-- exit: 5
-- finding: different /from items where order_id/
-- also: /order_total/
-- cause: /the migration deleted 30,000 rows of items/
-- why: rows are gone

-- section: migration
delete from items where line = 2;
