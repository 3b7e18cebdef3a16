-- One visit, for pgbench: a customer signs in, looks at their orders, orders, and pays.
\set customer random(1, 2000)
\set order random(1, 10000)
\set total random(1, 500)
SELECT id, name FROM customers WHERE email = concat('user', :customer::int, '@example.com');
SELECT id, status, total FROM orders WHERE customer_id = :customer ORDER BY id DESC LIMIT 20;
INSERT INTO orders (customer_id, total, address) VALUES (:customer, :total, 'Some Street 1');
UPDATE orders SET status = 'sent' WHERE id = :order;
