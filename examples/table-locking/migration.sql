-- Orders become searchable: a text of what was bought, for the shop's back office. All or nothing, so
-- in one transaction: the lock of the first statement stays until the last row is filled.
BEGIN;

ALTER TABLE orders ADD COLUMN search tsvector;

UPDATE orders
SET search = (SELECT to_tsvector('english', string_agg(p.name || ' ' || p.description, ' '))
              FROM order_items i JOIN products p ON p.id = i.product_id
              WHERE i.order_id = orders.id);

COMMIT;
