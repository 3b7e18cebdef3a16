-- A year of the shop, up to the end of 2026-10-31 UTC. The same rows on every run: what looks random is
-- a hash of the row's number.

-- A number in [0, below), from a row number and a salt that keeps columns independent.
CREATE FUNCTION pg_temp.pick(row_number bigint, salt bigint, below bigint) RETURNS bigint
  LANGUAGE sql IMMUTABLE
  RETURN (hashint8extended(row_number, salt) & 9223372036854775807) % below;

INSERT INTO categories (slug, name)
SELECT lower(name), name
FROM unnest(ARRAY['Shoes', 'Shirts', 'Trousers', 'Jackets', 'Bags', 'Hats', 'Socks', 'Belts',
                  'Watches', 'Scarves']) WITH ORDINALITY AS c (name, position)
ORDER BY position;

INSERT INTO products (category_id, sku, name, description, price_cents, stock)
SELECT (i - 1) % 10 + 1,
       format('SKU-%s', lpad(i::text, 5, '0')),
       format('Product %s', i),
       repeat(format('Made to last, washed and tested. Variant %s. ', i), 4),
       900 + pg_temp.pick(i, 1, 24000),
       5000 + pg_temp.pick(i, 2, 5000)
FROM generate_series(1, 250) AS i
ORDER BY i;

-- Twenty countries; Germany, France and Great Britain are half of the business.
INSERT INTO customers (email, name, country, created_at)
SELECT format('customer%s@example.com', i),
       format('Customer %s', i),
       (ARRAY['DE', 'DE', 'DE', 'DE', 'DE', 'DE', 'FR', 'FR', 'FR', 'FR', 'GB', 'GB', 'GB', 'GB',
              'AT', 'CH', 'IE', 'IT', 'IT', 'ES', 'PT', 'NL', 'BE', 'LU', 'SE', 'DK', 'NO', 'FI',
              'PL', 'CZ'])[pg_temp.pick(i, 3, 30) + 1],
       timestamptz '2025-11-01 00:00:00+00' + i * interval '5 minutes'
FROM generate_series(1, 2500) AS i
ORDER BY i;

-- One to five items each, three on average; four in ten are shoes (category 1). They come first, as an
-- order carries their total, and an UPDATE of every order would leave the table twice its size.
CREATE TEMPORARY TABLE new_items AS
SELECT i AS order_id, n, p.id AS product_id, 1 + pg_temp.pick(i * 8 + n, 15, 3)::integer AS quantity,
       p.price_cents
FROM generate_series(1, 25000) AS i
CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.pick(i, 16, 5)) AS n
JOIN products AS p ON p.id = CASE
       WHEN pg_temp.pick(i * 8 + n, 17, 100) < 34 THEN pg_temp.pick(i * 8 + n, 18, 25) * 10 + 1
       ELSE pg_temp.pick(i * 8 + n, 19, 250) + 1
     END;

-- Rows in the order of time, as an application leaves them. 5,000 orders in the eleven months before
-- October, 20,000 in October; steps are wider than the jitter, so created_at is unique. Every customer
-- has an order, customer 42 (a reseller) one in eight, and low numbers order more often.
INSERT INTO orders (customer_id, status, total_cents, shipping_address, note, created_at, updated_at)
SELECT CASE
         WHEN i <= 2500 THEN i
         WHEN pg_temp.pick(i, 4, 100) < 13 THEN 42
         ELSE pg_temp.pick(i, 5, 1 + pg_temp.pick(i, 6, 2500)) + 1
       END,
       CASE
         WHEN pg_temp.pick(i, 7, 100) < 1 THEN 'disputed'
         WHEN pg_temp.pick(i, 7, 100) < 2 THEN 'refunded'
         WHEN pg_temp.pick(i, 7, 100) < 5 THEN 'cancelled'
         WHEN i > 24500 AND pg_temp.pick(i, 8, 2) = 0 THEN 'pending'
         WHEN i > 23000 THEN 'processing'
         WHEN i > 20000 OR pg_temp.pick(i, 7, 100) < 10 THEN 'shipped'
         ELSE 'delivered'
       END,
       total_cents,
       format('%s Market Street, Floor %s, %s Sampletown', 1 + pg_temp.pick(i, 9, 400),
              pg_temp.pick(i, 10, 9), 10000 + pg_temp.pick(i, 11, 80000)),
       CASE WHEN pg_temp.pick(i, 12, 4) = 0 THEN 'Please leave the parcel with the neighbours.' END,
       created_at,
       created_at + pg_temp.pick(i, 13, 3600) * interval '1 second'
FROM (SELECT order_id, sum(quantity * price_cents) FROM new_items GROUP BY order_id)
       AS t (i, total_cents),
     LATERAL (SELECT CASE
                       WHEN i <= 5000 THEN timestamptz '2025-11-01 00:00:00+00' + i * interval '96 minutes'
                       ELSE timestamptz '2026-10-02 00:00:00+00' + (i - 5001) * interval '129 seconds'
                     END + pg_temp.pick(i, 14, 120000000) * interval '1 microsecond') AS c (created_at)
ORDER BY i;

INSERT INTO order_items (order_id, product_id, quantity, unit_price_cents)
SELECT order_id, product_id, quantity, price_cents FROM new_items ORDER BY order_id, n;

DROP TABLE new_items;
ANALYZE categories, products, customers, orders, order_items, carts;
