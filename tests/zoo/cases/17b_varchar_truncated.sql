-- title: varchar(n) shrunk with USING: values are cut silently
-- catalogue: 17
-- visible: before-after
-- exit: 5
-- quick: yes
-- finding: different /from customers where id/
-- also: /from customer_directory/
-- also: /label_of/
-- cause: /column customers.phone changed from character varying\(20\) to character varying\(8\)/
-- why: a cast to varchar(n) cuts without an error

-- section: migration
drop view customer_directory;
alter table customers alter column phone type varchar(8) using phone::varchar(8);
create view customer_directory as select id, name, phone from customers;
grant select on customer_directory to app, readonly;
