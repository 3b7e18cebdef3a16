-- title: text to int: comparisons are of numbers now
-- catalogue: 20
-- visible: before-after
-- exit: 5
-- finding: different /from customers where code/
-- cause: /column customers.code changed from text to integer/
-- why: '100' > '25' as numbers, not as text

-- section: migration
alter table customers alter column code type int using code::int;

-- section: traffic role=app protocol=simple calls=20
select count(*) from customers where code > '25' and id <= 3000;
