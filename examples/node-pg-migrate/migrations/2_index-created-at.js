// An index for the monthly figures, built while the shop is open.
exports.up = (pgm) => {
  pgm.noTransaction();
  pgm.createIndex("orders", "created_at", { name: "orders_created_at_idx", concurrently: true });
};
