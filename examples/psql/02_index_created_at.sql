-- Outside any transaction, which CONCURRENTLY demands: psql commits each statement by itself.
CREATE INDEX CONCURRENTLY orders_created_at_idx ON orders (created_at);
