-- title: ADD COLUMN nullable REFERENCES
-- catalogue: S3
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no row to look up

-- section: migration
alter table tickets add column customer_id int references customers;
