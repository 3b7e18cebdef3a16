-- title: A view dropped and made again: its grants are gone
-- catalogue: 23
-- visible: before-after
-- exit: 5
-- quick: yes
-- finding: broken 42501 /from customer_directory/
-- cause: /view customer_directory was dropped and created again/
-- why: shows only to the role that reads it

-- section: migration
drop view customer_directory;
create view customer_directory as select id, name, phone from customers;
