// A better name for a column.
exports.up = (pgm) => {
  pgm.renameColumn("customers", "name", "full_name");
};
