exports.up = (pgm) => {
  pgm.addColumn("orders", { note: { type: "text" } });
};
