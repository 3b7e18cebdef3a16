-- A year old, never scanned as far as the statistics go, and every change of an order pays for it.
DROP INDEX orders_status_updated_idx;
