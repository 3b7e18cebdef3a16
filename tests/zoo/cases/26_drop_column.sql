-- title: DROP COLUMN that queries and a function body use
-- catalogue: 26
-- visible: before-after
-- exit: 5
-- finding: broken 42703 /from customers where id/
-- finding: broken 42703 /label_of/
-- also: /customer_directory/
-- cause: /column customers.phone was dropped/
-- why: bodies of functions are looked at when they run

-- section: migration
drop view customer_directory;
alter table customers drop column phone;
create view customer_directory as select id, name, ''::text as phone from customers;
grant select on customer_directory to app, readonly;
