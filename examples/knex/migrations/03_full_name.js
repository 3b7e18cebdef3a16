// A better name for a column.
exports.up = (knex) =>
  knex.schema.alterTable("customers", (table) => table.renameColumn("name", "full_name"));

exports.down = (knex) =>
  knex.schema.alterTable("customers", (table) => table.renameColumn("full_name", "name"));
