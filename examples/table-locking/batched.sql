-- The same change in short transactions: the lock on the table is gone within milliseconds, and each
-- UPDATE holds five hundred rows for as long as it takes, then lets go.
SET lock_timeout = '2s';

ALTER TABLE orders ADD COLUMN search tsvector;

-- psql runs each row of this result as a statement of its own.
SELECT format(
  'UPDATE orders
   SET search = (SELECT to_tsvector(''english'', string_agg(p.name || '' '' || p.description, '' ''))
                 FROM order_items i JOIN products p ON p.id = i.product_id
                 WHERE i.order_id = orders.id)
   WHERE id BETWEEN %s AND %s AND search IS NULL', first, first + 499)
FROM generate_series(1, (SELECT max(id) FROM orders), 500) AS first
\gexec
