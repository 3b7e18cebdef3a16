-- title: CREATE OR REPLACE VIEW with the same columns
-- catalogue: S17
-- visible: before-after
-- exit: 0
-- finding: none
-- why: grants stay, and so do the rows

-- section: migration
create or replace view open_orders as
    select o.id, o.customer_id, o.total from orders o where o.status = 'new' or o.status = 'paid';
