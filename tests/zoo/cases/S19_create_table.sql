-- title: CREATE TABLE without a foreign key
-- catalogue: S19
-- visible: before-after
-- exit: 0
-- finding: none
-- why: no query knows it

-- section: migration
create table gift_cards (id bigserial primary key, code text unique, amount numeric);
create index gift_cards_amount on gift_cards (amount);
