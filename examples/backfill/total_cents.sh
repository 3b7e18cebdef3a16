#!/bin/sh
# Money in cents: the column at once, its values bit by bit.
set -e
psql -v ON_ERROR_STOP=1 -c "ALTER TABLE orders ADD COLUMN total_cents bigint"
python3 backfill.py orders "total_cents = total * 100"
