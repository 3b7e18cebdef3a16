-- title: ALTER TYPE ADD VALUE
-- catalogue: S15
-- visible: before-after
-- exit: 0
-- quick: yes
-- finding: none
-- why: no lock on any table

-- section: migration
alter type order_status add value 'lost' after 'shipped';
