-- The shop: tables, the indexes an ordinary application has, and the role it connects as.

CREATE TABLE categories (
  id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  slug  varchar(40) NOT NULL UNIQUE,
  name  varchar(80) NOT NULL
);

CREATE TABLE products (
  id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  category_id  integer NOT NULL REFERENCES categories,
  sku          varchar(20) NOT NULL UNIQUE,
  name         varchar(120) NOT NULL,
  description  text NOT NULL,
  price_cents  integer NOT NULL CHECK (price_cents > 0),
  stock        integer NOT NULL CHECK (stock >= 0)
);
CREATE INDEX products_category_price_idx ON products (category_id, price_cents, id);

CREATE TABLE customers (
  id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email       varchar(120) NOT NULL UNIQUE,
  name        varchar(80) NOT NULL,
  country     char(2) NOT NULL,
  created_at  timestamptz NOT NULL
);

CREATE TABLE orders (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id       integer NOT NULL REFERENCES customers,
  status            varchar(20) NOT NULL,
  total_cents       integer NOT NULL CHECK (total_cents >= 0),
  shipping_address  text NOT NULL,
  note              text,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL
);
CREATE INDEX orders_customer_created_idx ON orders (customer_id, created_at);
CREATE INDEX orders_created_idx ON orders (created_at);
CREATE INDEX orders_pending_idx ON orders (created_at) WHERE status = 'pending';

CREATE TABLE order_items (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id          bigint NOT NULL REFERENCES orders,
  product_id        integer NOT NULL REFERENCES products,
  quantity          integer NOT NULL CHECK (quantity > 0),
  unit_price_cents  integer NOT NULL
);
CREATE INDEX order_items_order_idx ON order_items (order_id);
CREATE INDEX order_items_product_idx ON order_items (product_id);

CREATE TABLE carts (
  customer_id  integer NOT NULL REFERENCES customers,
  product_id   integer NOT NULL REFERENCES products,
  quantity     integer NOT NULL CHECK (quantity > 0),
  updated_at   timestamptz NOT NULL,
  PRIMARY KEY (customer_id, product_id)
);

-- The application is not the owner: a migration that forgets a grant breaks it. Roles belong to the
-- whole cluster, so another database may have made this one already.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_app') THEN
    CREATE ROLE shop_app LOGIN;
  END IF;
END
$$;
GRANT SELECT ON categories, products, customers TO shop_app;
GRANT UPDATE (stock) ON products TO shop_app;
GRANT SELECT, INSERT, UPDATE ON orders TO shop_app;
GRANT SELECT, INSERT ON order_items TO shop_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON carts TO shop_app;
-- A capture, which connects as the application, reads where they stand.
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO shop_app;
