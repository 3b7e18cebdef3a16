-- Orders learn their sales region: what the regional pages of the shop's back office select by.

ALTER TABLE orders ADD COLUMN region varchar(50);

UPDATE orders
SET region = CASE
      WHEN c.country IN ('DE', 'AT', 'CH') THEN 'dach'
      WHEN c.country = 'FR' THEN 'france'
      WHEN c.country IN ('GB', 'IE') THEN 'british-isles'
      WHEN c.country = 'IT' THEN 'italy'
      WHEN c.country IN ('ES', 'PT') THEN 'iberia'
      WHEN c.country IN ('NL', 'BE', 'LU') THEN 'benelux'
      WHEN c.country IN ('SE', 'DK', 'NO', 'FI') THEN 'nordics'
      ELSE 'east'
    END
FROM customers AS c
WHERE c.id = orders.customer_id;

-- What the regional pages read: a status, newest first, and the largest orders.
CREATE INDEX orders_region_status_created_idx ON orders (region, status, created_at);
CREATE INDEX orders_region_total_idx ON orders (region, total_cents DESC, id);
