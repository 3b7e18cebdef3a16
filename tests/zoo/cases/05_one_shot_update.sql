-- title: UPDATE of every row at once
-- catalogue: 5
-- visible: during
-- live: writer
-- exit: 5
-- finding: blocked /update orders/
-- blocking: rows /update orders/
-- why: row locks, WAL and dead rows; after it and a vacuum the queries read the same rows

-- section: migration
update orders set note = coalesce(note, '');
