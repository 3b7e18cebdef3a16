-- title: ADD COLUMN nullable, with a constant default, with now(), NOT NULL
-- catalogue: S1
-- visible: before-after
-- exit: 0
-- quick: yes
-- finding: none
-- why: catalogue only since 11

-- section: migration
alter table orders add column channel text;
alter table orders add column shop int not null default 1;
alter table customers add column changed timestamptz not null default now();

-- section: traffic role=app protocol=prepared calls=20
\set id random(1, 10000)
select * from customers where id = :id;
