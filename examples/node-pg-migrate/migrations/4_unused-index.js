// An index that nobody uses.
exports.up = (pgm) => {
  pgm.noTransaction();
  pgm.dropIndex("orders", "customer_id", { name: "orders_customer_id_idx", concurrently: true });
};
