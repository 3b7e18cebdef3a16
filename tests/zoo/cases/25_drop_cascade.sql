-- title: DROP ... CASCADE takes a view along with only a NOTICE
-- catalogue: 25
-- visible: before-after
-- exit: 5
-- finding: broken 42P01 /from customer_directory/
-- also: /customers|label_of/
-- cause: /column customers.phone was dropped/
-- cause: /view customer_directory was dropped/
-- why: the report names the query that used the view

-- section: migration
alter table customers drop column phone cascade;
