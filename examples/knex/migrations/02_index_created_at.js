// An index for the monthly figures, built while the shop is open.
exports.config = { transaction: false };

exports.up = (knex) =>
  knex.raw("CREATE INDEX CONCURRENTLY orders_created_at_idx ON orders (created_at)");

exports.down = (knex) => knex.raw("DROP INDEX CONCURRENTLY orders_created_at_idx");
