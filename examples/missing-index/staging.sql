-- Staging, where the feature was built and tested: the shop with the new column, a hundred orders, and
-- nothing that would show what a year of orders costs. Comes after schema.sql, instead of data.sql.

ALTER TABLE orders ADD COLUMN region varchar(50);

INSERT INTO categories (slug, name) VALUES ('shoes', 'Shoes'), ('shirts', 'Shirts');

INSERT INTO products (category_id, sku, name, description, price_cents, stock)
SELECT (i - 1) % 2 + 1, format('SKU-%s', lpad(i::text, 5, '0')), format('Product %s', i), 'A product.',
       1000 + i * 100, 1000
FROM generate_series(1, 10) AS i;

INSERT INTO customers (email, name, country, created_at)
SELECT format('customer%s@example.com', i), format('Customer %s', i),
       (ARRAY['DE', 'FR', 'GB', 'IT', 'ES', 'NL', 'SE', 'PL'])[(i - 1) % 8 + 1],
       timestamptz '2026-10-01 00:00:00+00' + i * interval '5 minutes'
FROM generate_series(1, 16) AS i;

INSERT INTO orders (customer_id, status, total_cents, shipping_address, created_at, updated_at, region)
SELECT (i - 1) % 16 + 1,
       (ARRAY['delivered', 'disputed', 'refunded', 'cancelled', 'shipped'])[(i - 1) / 8 % 5 + 1],
       1000 + i * 7919 % 20000, '1 Market Street, 10000 Sampletown',
       timestamptz '2026-10-02 00:00:00+00' + i * interval '7 hours',
       timestamptz '2026-10-02 00:00:00+00' + i * interval '7 hours',
       (ARRAY['dach', 'france', 'british-isles', 'italy', 'iberia', 'benelux', 'nordics', 'east'])
         [(i - 1) % 8 + 1]
FROM generate_series(1, 100) AS i;

INSERT INTO order_items (order_id, product_id, quantity, unit_price_cents)
SELECT i, i % 10 + 1, 1, 1000 FROM generate_series(1, 100) AS i;

ANALYZE categories, products, customers, orders, order_items, carts;
