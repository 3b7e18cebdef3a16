#include "event/secret_text.h"

#include <string>
#include <string_view>

#include "support/catch.h"

namespace scry::event {
namespace {

std::string Kept(std::string_view sql) { return WithoutSecrets(sql).value_or(std::string(sql)); }

TEST_CASE("a role's password is not kept, and what is kept still runs", "[event]") {
  CHECK(Kept("ALTER ROLE app PASSWORD 'hunter2'") == "ALTER ROLE app PASSWORD NULL");
  CHECK(Kept("create user a LOGIN encrypted\n password 'x''y' valid until 'infinity'; select 1") ==
        "create user a LOGIN            password NULL valid until 'infinity'; select 1");
  CHECK(Kept("alter role a password /* new */ E'it\\'s'") ==
        "alter role a password /* new */ NULL");
  CHECK(Kept("alter role a password U&'\\0061'") == "alter role a password NULL");
  CHECK(Kept("alter role a password $pw$x$pw$") == "alter role a password NULL");
  CHECK(Kept("alter role a password 'one'\n  'two' nologin") ==
        "alter role a password NULL\n   nologin");
  CHECK(Kept("alter role a password 'cut off") == "alter role a password NULL");
}

TEST_CASE("passwords of servers elsewhere are not kept", "[event]") {
  CHECK(Kept("CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password 'p')") ==
        "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password '***')");
  CHECK(Kept("alter user mapping for a server s options (set \"password\" 'p')") ==
        "alter user mapping for a server s options (set \"password\" '***')");
  CHECK(Kept("CREATE SUBSCRIPTION s CONNECTION 'host=h password=''a b'' user=u' PUBLICATION p") ==
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password=*** user=u' PUBLICATION p");
  CHECK(Kept("ALTER SUBSCRIPTION s CONNECTION 'postgresql://u:secret@h/db'") ==
        "ALTER SUBSCRIPTION s CONNECTION 'postgresql://u:***@h/db'");
  CHECK(Kept("select * from dblink('host=h Password = abc', 'select 1')") ==
        "select * from dblink('host=h Password = ***', 'select 1')");
}

TEST_CASE("passwords within bodies and constants are not kept", "[event]") {
  CHECK(Kept("do $$ begin execute 'alter role a password ''x'''; end $$") ==
        "do $$ begin execute 'alter role a password NULL'; end $$");
  CHECK(Kept("do $$ begin alter role a password 'x'; end $$") ==
        "do $$ begin alter role a password NULL; end $$");
  CHECK(Kept("execute E'alter role a password \\'x\\''") ==
        "execute E'alter role a password NULL'");
}

TEST_CASE("whatever is no password stays as it is", "[event]") {
  for (const std::string_view sql :
       {"select id, password from users where password = 'x'",
        "insert into users (name, password) values ('a', 'b')", "alter role a password null",
        "select 1 -- password 'x'", "select 'password', 'x'", "update users set password = $1",
        "select 'https://u:p@h'", "select 1 from connection where url = 'https://u:p@h'",
        "select \"password\" from t where a = 'it''s'", "select E'it\\'s a password'",
        "comment on column u.password is 'x'", "password", "'", "$$", "$1w", "select '"}) {
    CHECK_FALSE(WithoutSecrets(sql).has_value());
  }
}

TEST_CASE("no cut of a text does harm, nor shows more of it", "[event]") {
  const std::string text =
      "do $b$ begin execute E'alter role \\'a\\' encrypted password ''hunter2'' '; /* ( */ end "
      "$b$; "
      "create subscription s connection 'postgres://u:hunter2@h?password=hunter2'; "
      "alter role \"x\" password 'hunter2' 'hunter2'";
  CHECK(Kept(text).find("hunter") == std::string::npos);
  for (size_t from = 0; from < text.size(); ++from) {
    (void)Kept(std::string_view(text).substr(from));
    (void)Kept(std::string_view(text).substr(0, from));
  }
  const std::string role = "alter role x encrypted password 'hunter2'";
  for (size_t cut = role.find('h') + 1; cut <= role.size(); ++cut) {
    CHECK(Kept(role.substr(0, cut)).find("hunt") == std::string::npos);
  }
}

}  // namespace
}  // namespace scry::event
