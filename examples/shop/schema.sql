-- The shop as its application knows it: 2,000 customers and 10,000 orders.
CREATE TABLE customers (
    id serial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL
);
CREATE TABLE orders (
    id serial PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    status text NOT NULL DEFAULT 'new',
    total numeric(10, 2) NOT NULL,
    address text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_customer_id_idx ON orders (customer_id);

INSERT INTO customers (email, name)
SELECT 'user' || i || '@example.com', 'Customer ' || i
FROM generate_series(1, 2000) AS i;

INSERT INTO orders (customer_id, status, total, address, created_at)
SELECT 1 + i * 7 % 2000, 'paid', i % 500 + 0.5, repeat('Some Street ', 10),
       timestamptz '2026-01-01 00:00+00' + i * interval '10 minutes'
FROM generate_series(1, 10000) AS i;

VACUUM (ANALYZE) customers, orders;
