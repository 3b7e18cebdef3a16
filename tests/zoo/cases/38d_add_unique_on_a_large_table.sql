-- title: ADD UNIQUE on a large table: everybody waits for the build alone
-- catalogue: 38
-- visible: during
-- live: none
-- exit: 5
-- finding: blocked /add unique/
-- blocking: AccessExclusive reviews /add unique/
-- why: no transaction of the traffic is long; what the statement itself takes shows only beside traffic

-- section: migration
insert into reviews (product_id, stars, words)
    select 1 + i % 2500, 1 + i % 5, 'more words ' || i from generate_series(1, 2500000) i;
alter table reviews add unique (words, id);
