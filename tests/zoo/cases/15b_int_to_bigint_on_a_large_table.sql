-- title: A column of a large table becomes bigint: everybody waits for the rewrite alone
-- catalogue: 15
-- visible: during
-- live: none
-- exit: 5
-- finding: blocked /type bigint/
-- blocking: AccessExclusive reviews /type bigint/
-- why: no transaction of the traffic is long; what the statement itself takes shows only beside traffic

-- section: migration
insert into reviews (product_id, stars, words)
    select 1 + i % 2500, 1 + i % 5, 'more words ' || i from generate_series(1, 900000) i;
alter table reviews alter column product_id type bigint;
