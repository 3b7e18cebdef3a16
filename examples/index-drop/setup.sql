-- Comes after schema.sql and data.sql of the shop: the index that the nightly settlement reads by.
CREATE INDEX orders_status_updated_idx ON orders (status, updated_at);
