#include "job/shop_traffic.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "base/random.h"

namespace scry::job {
namespace {

using base::Result;
using base::Status;

// What data.sql makes.
constexpr uint64_t kCustomers = 2500;
constexpr uint64_t kProducts = 250;
constexpr uint64_t kCategories = 10;
constexpr uint64_t kReseller = 42;       // Has one order in eight.
constexpr uint64_t kDaysOfOctober = 28;  // From the 3rd to the 30th, each is full of orders.
// Session 0 sells products with such numbers, so only it looks at their stock.
constexpr uint64_t kSoldEvery = 5;

struct Prepared {
  const char* name;
  const char* sql;
};

constexpr std::array kShopStatements = {
    Prepared{
        "product_page",
        "SELECT p.id, p.sku, p.name, p.description, p.price_cents, p.stock, c.name AS category "
        "FROM products p JOIN categories c ON c.id = p.category_id WHERE p.id = $1"},
    Prepared{"category_page",
             "SELECT id, name, price_cents FROM products WHERE category_id = $1 AND price_cents >= "
             "$2 ORDER BY price_cents, id LIMIT 24"},
    Prepared{"recent_orders",
             "SELECT id, status, total_cents, created_at FROM orders WHERE customer_id = $1 "
             "ORDER BY created_at DESC LIMIT 10"},
    Prepared{"order_details",
             "SELECT o.id, o.status, o.created_at, p.name, i.quantity, i.unit_price_cents "
             "FROM orders o JOIN order_items i ON i.order_id = o.id "
             "JOIN products p ON p.id = i.product_id WHERE o.id = $1 ORDER BY i.id"},
    Prepared{"advance_order",
             "UPDATE orders SET status = 'delivered', updated_at = $2 "
             "WHERE id = $1 AND status = 'shipped'"},
    Prepared{"cart_put",
             "INSERT INTO carts (customer_id, product_id, quantity, updated_at) "
             "VALUES ($1, $2, $3, $4) ON CONFLICT (customer_id, product_id) "
             "DO UPDATE SET quantity = excluded.quantity, updated_at = excluded.updated_at"},
    Prepared{"cart_show",
             "SELECT p.id, p.name, p.price_cents, t.quantity FROM carts t "
             "JOIN products p ON p.id = t.product_id WHERE t.customer_id = $1 ORDER BY p.id"},
    Prepared{"order_place",
             "INSERT INTO orders (customer_id, status, total_cents, shipping_address, created_at, "
             "updated_at) VALUES ($1, 'processing', $2, $3, $4, $4) RETURNING id"},
    Prepared{"order_add_item",
             "INSERT INTO order_items (order_id, product_id, quantity, unit_price_cents) "
             "VALUES ($1, $2, $3, $4)"},
    Prepared{"stock_take", "UPDATE products SET stock = stock - $2 WHERE id = $1 AND stock >= $2"},
    Prepared{"top_products",
             "SELECT p.id, p.name, sum(i.quantity) AS sold FROM orders o "
             "JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id "
             "WHERE o.created_at >= $1 AND o.created_at < $2 AND p.category_id = $3 "
             "GROUP BY p.id, p.name ORDER BY sold DESC, p.id LIMIT 10"},
};

constexpr std::array kFeatureStatements = {
    Prepared{"region_newest",
             "SELECT id, customer_id, total_cents, created_at FROM orders "
             "WHERE region = $1 AND status = $2 ORDER BY created_at DESC LIMIT 20"},
    Prepared{"region_largest",
             "SELECT o.id, o.total_cents, o.created_at, c.name, c.email FROM orders o "
             "JOIN customers c ON c.id = o.customer_id WHERE o.region = $1 "
             "ORDER BY o.total_cents DESC, o.id LIMIT 10"},
    Prepared{"region_totals",
             "SELECT count(*), coalesce(sum(total_cents), 0) FROM orders "
             "WHERE region = $1 AND status = $2 AND created_at >= $3"},
};

constexpr std::array kSettlementStatements = {
    Prepared{"settled_orders",
             "SELECT id, customer_id, total_cents, updated_at FROM orders "
             "WHERE status = $1 AND updated_at >= $2 AND updated_at < $3 ORDER BY updated_at, id"},
    Prepared{"settled_totals",
             "SELECT count(*), coalesce(sum(total_cents), 0) FROM orders "
             "WHERE status = $1 AND updated_at >= $2 AND updated_at < $3"},
};

constexpr std::array kRegions = {"dach",   "france",  "british-isles", "italy",
                                 "iberia", "benelux", "nordics",       "east"};
constexpr std::array kExceptions = {"disputed", "refunded", "cancelled"};

Status PrepareAll(ShopConnection& connection, const auto& statements) {
  for (const Prepared& statement : statements) {
    SCRY_TRY(connection.Prepare(statement.name, statement.sql));
  }
  return {};
}

// One client of the shop, visit by visit.
class Visitor {
 public:
  Visitor(ShopConnection& connection, const ShopTrafficOptions& options)
      : connection_(connection),
        options_(options),
        random_(options.seed * 1000003 + options.session) {}

  Status Visit(uint32_t visit) {
    visit_ = visit;
    customer_ = OwnCustomer();
    SCRY_TRY(LogIn());
    SCRY_TRY(Browse());
    SCRY_TRY(FillCart());
    SCRY_TRY(LookAtOrders());
    if (options_.session == 0) SCRY_TRY(CheckOut());
    return LookAtFigures();
  }

  Status ShortVisit() {
    customer_ = OwnCustomer();
    SCRY_TRY(LogIn());
    return connection_.Exec(
        fmt::format("SELECT id, status, updated_at FROM orders WHERE customer_id = {} "
                    "ORDER BY created_at DESC LIMIT 1",
                    customer_));
  }

 private:
  Result<std::string> Run(const char* name, const std::vector<std::string>& params) {
    return connection_.ExecPrepared(name, params);
  }
  Status Do(const char* name, const std::vector<std::string>& params) {
    auto answer = Run(name, params);
    if (!answer.ok()) return answer.error();
    return {};
  }

  // Customers are shared out among sessions by number. The reseller is seen often.
  uint64_t OwnCustomer() {
    if (kReseller % options_.sessions == options_.session && random_.Below(4) == 0) {
      return kReseller;
    }
    const uint64_t share = kCustomers / options_.sessions;
    const uint64_t number = random_.Below(share) * options_.sessions + options_.session;
    return number == 0 ? options_.sessions : number;
  }

  // Numbers from 1; low ones are popular.
  uint64_t Popular(uint64_t count) { return 1 + random_.Below(1 + random_.Below(count)); }

  uint64_t ProductToSell() { return kSoldEvery * (1 + random_.Below(kProducts / kSoldEvery)); }
  uint64_t ProductToSee() {
    const uint64_t product = Popular(kProducts - 1);
    return product % kSoldEvery == 0 ? product + 1 : product;
  }

  // After all of data.sql, a moment of its own for each visit.
  std::string Now() const {
    return fmt::format("2026-11-01 {:02}:{:02}:{:02}.{:06}+00", 8 + visit_ / 3600 % 12,
                       visit_ / 60 % 60, visit_ % 60, options_.session);
  }

  Status LogIn() {
    return connection_.Exec(
        fmt::format("SELECT id, name, country FROM customers WHERE email = "
                    "'customer{}@example.com'",
                    customer_));
  }

  Status Browse() {
    SCRY_TRY(Do("category_page", {std::to_string(Popular(kCategories)),
                                  std::to_string(1000 + random_.Below(10) * 1000)}));
    for (uint64_t pages = 1 + random_.Below(3); pages > 0; --pages) {
      SCRY_TRY(Do("product_page", {std::to_string(ProductToSee())}));
    }
    const uint64_t first = ProductToSee();
    const uint64_t second = ProductToSee();
    return connection_.Exec(fmt::format(
        "SELECT id, stock FROM products WHERE id IN ({}, {}) ORDER BY id", first, second));
  }

  Status FillCart() {
    SCRY_TRY(Do("cart_put", {std::to_string(customer_), std::to_string(ProductToSee()),
                             std::to_string(1 + random_.Below(3)), Now()}));
    SCRY_TRY(Do("cart_show", {std::to_string(customer_)}));
    if (visit_ % 2 == 1) return {};
    return connection_.Exec(fmt::format("DELETE FROM carts WHERE customer_id = {}", customer_));
  }

  Status LookAtOrders() {
    std::string latest;
    SCRY_TRY_ASSIGN(latest, Run("recent_orders", {std::to_string(customer_)}));
    if (latest.empty()) return {};
    SCRY_TRY(Do("order_details", {latest}));
    return Do("advance_order", {latest, Now()});
  }

  Status CheckOut() {
    const uint64_t first = ProductToSell();
    const uint64_t second = first == kProducts ? kSoldEvery : first + kSoldEvery;
    SCRY_TRY(connection_.Exec("BEGIN"));
    std::string order;
    SCRY_TRY_ASSIGN(order, Run("order_place", {std::to_string(customer_),
                                               std::to_string(2000 + random_.Below(20000)),
                                               "1 Market Street, 10000 Sampletown", Now()}));
    for (const uint64_t product : {first, second}) {
      const std::string quantity = std::to_string(1 + random_.Below(2));
      SCRY_TRY(Do("order_add_item", {order, std::to_string(product), quantity, "1900"}));
      SCRY_TRY(Do("stock_take", {std::to_string(product), quantity}));
    }
    return connection_.Exec("COMMIT");
  }

  Status LookAtFigures() {
    const uint64_t day = 3 + random_.Below(kDaysOfOctober);
    SCRY_TRY(connection_.Exec(
        fmt::format("SELECT count(*), sum(total_cents) FROM orders WHERE created_at >= "
                    "'2026-10-{:02} 08:00+00' AND created_at < '2026-10-{:02} 12:00+00'",
                    day, day)));
    SCRY_TRY(Do("top_products", {fmt::format("2026-10-{:02} 09:00+00", day),
                                 fmt::format("2026-10-{:02} 12:00+00", day),
                                 std::to_string(Popular(kCategories))}));
    return connection_.Exec(
        "SELECT id, customer_id, total_cents, created_at FROM orders WHERE status = 'pending' "
        "ORDER BY created_at LIMIT 20");
  }

  ShopConnection& connection_;
  const ShopTrafficOptions options_;
  base::Random random_;
  uint32_t visit_ = 0;
  uint64_t customer_ = 0;
};

}  // namespace

Status RunShopTraffic(ShopConnection& connection, const ShopTrafficOptions& options) {
  SCRY_CHECK(options.session < options.sessions && options.sessions <= 100);
  SCRY_TRY(PrepareAll(connection, kShopStatements));
  Visitor visitor(connection, options);
  for (uint32_t visit = 0; visit < options.visits; ++visit) {
    if (visit > 0 && options.between && !options.between()) return {};
    SCRY_TRY(visitor.Visit(visit));
  }
  return {};
}

Status RunShortVisit(ShopConnection& connection, const ShopTrafficOptions& options) {
  SCRY_CHECK(options.session < options.sessions && options.sessions <= 100);
  return Visitor(connection, options).ShortVisit();
}

Status RunSettlement(ShopConnection& connection, uint32_t days) {
  SCRY_CHECK(days <= kDaysOfOctober);
  SCRY_TRY(PrepareAll(connection, kSettlementStatements));
  for (uint32_t day = 3; day < 3 + days; ++day) {
    for (const std::string status : {"refunded", "disputed"}) {
      for (const Prepared& statement : kSettlementStatements) {
        const auto answer = connection.ExecPrepared(
            statement.name, {status, fmt::format("2026-10-{:02} 00:00+00", day),
                             fmt::format("2026-10-{:02} 00:00+00", day + 1)});
        if (!answer.ok()) return answer.error();
      }
    }
  }
  return {};
}

Status RunFeatureTraffic(ShopConnection& connection, uint32_t rounds, uint64_t seed) {
  base::Random random(seed);
  SCRY_TRY(PrepareAll(connection, kFeatureStatements));
  for (uint32_t round = 0; round < rounds; ++round) {
    const std::string region = kRegions[round % kRegions.size()];
    // Not "cancelled": there are enough of those that a scan from the newest order on is quick.
    const std::string status = kExceptions[random.Below(2)];
    const std::string since = fmt::format("2026-10-{:02} 00:00+00", 2 + random.Below(5));
    const auto run = [&](const char* name, const std::vector<std::string>& params) -> Status {
      auto answer = connection.ExecPrepared(name, params);
      if (!answer.ok()) return answer.error();
      return {};
    };
    SCRY_TRY(run("region_newest", {region, status}));
    SCRY_TRY(run("region_largest", {region}));
    SCRY_TRY(run("region_totals", {region, kExceptions[random.Below(kExceptions.size())], since}));
    SCRY_TRY(connection.Exec(
        fmt::format("SELECT count(*) FROM orders WHERE region = '{}' AND status = '{}'", region,
                    kExceptions[random.Below(kExceptions.size())])));
  }
  return {};
}

}  // namespace scry::job
