// An index that nobody uses.
exports.config = { transaction: false };

exports.up = (knex) => knex.raw("DROP INDEX CONCURRENTLY orders_customer_id_idx");

exports.down = (knex) =>
  knex.raw("CREATE INDEX CONCURRENTLY orders_customer_id_idx ON orders (customer_id)");
