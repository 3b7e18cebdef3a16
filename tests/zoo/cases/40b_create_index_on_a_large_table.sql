-- title: CREATE INDEX on a large table: writers wait for the build, readers do not
-- catalogue: 40
-- visible: during
-- live: none
-- exit: 5
-- finding: blocked /create index/
-- blocking: Share reviews /create index/
-- why: no transaction of the traffic is long; what the statement itself takes shows only beside traffic

-- section: migration
insert into reviews (product_id, stars, words)
    select 1 + i % 2500, 1 + i % 5, 'more words ' || i from generate_series(1, 2500000) i;
create index reviews_words on reviews (words);
