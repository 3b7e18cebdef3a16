-- title: Type of a column that a view uses
-- catalogue: 22
-- visible: before-after
-- exit: 7
-- finding: migration-failed 0A000
-- cause: /0A000.*drop the view/
-- why: fails where the views are as in production

-- section: migration
alter table customers alter column phone type text;
