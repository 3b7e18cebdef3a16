// Does with pgjdbc what applications do with it. Arguments: host, port, database, user.
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

public class JdbcExercise {
  interface Action {
    void run() throws Exception;
  }

  static void refused(String state, Action action) throws Exception {
    String got = "no error";
    try {
      action.run();
    } catch (SQLException error) {
      got = error.getSQLState();
    }
    if (!state.equals(got)) throw new IllegalStateException(got + " instead of " + state);
  }

  static void drain(ResultSet rows) throws SQLException {
    while (rows.next()) {
      for (int i = 1; i <= rows.getMetaData().getColumnCount(); ++i) rows.getObject(i);
    }
    rows.close();
  }

  static void run(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      if (statement.execute(sql)) drain(statement.getResultSet());
    }
  }

  // From the fifth execution on the driver names the statement, and asks for binary results.
  static void prepared(Connection connection) throws Exception {
    String columns = "id, name, price, amount, tags, raw, seen, day, ratio, flag, key, numbers";
    try (PreparedStatement statement = connection.prepareStatement(
             "select " + columns + " from items where id = ? and amount >= ? and seen > ?")) {
      for (int i = 1; i < 15; ++i) {
        statement.setLong(1, i);
        statement.setInt(2, 0);
        statement.setTimestamp(3, new Timestamp(0));
        drain(statement.executeQuery());
      }
    }
    try (PreparedStatement statement = connection.prepareStatement(
             "insert into items (name, key, raw, flag, ratio) values (?, ?, ?, ?, ?)",
             Statement.RETURN_GENERATED_KEYS)) {
      for (int i = 0; i < 20; ++i) {
        statement.setString(1, "jdbc " + i);
        statement.setObject(2, new UUID(1, i));
        statement.setBytes(3, new byte[] {0, (byte) i});
        statement.setBoolean(4, i % 2 == 0);
        statement.setDouble(5, i / 3.0);
        statement.addBatch();
      }
      statement.executeBatch();
      drain(statement.getGeneratedKeys());
    }
    try (PreparedStatement statement =
             connection.prepareStatement("update items set amount = ? where id = any(?)")) {
      statement.setInt(1, 3);
      statement.setArray(2, connection.createArrayOf("bigint", new Long[] {1L, 2L, 3L}));
      statement.executeUpdate();
    }
  }

  static void transactions(Connection connection) throws Exception {
    connection.setAutoCommit(false);
    run(connection, "insert into items (name) values ('outer')");
    Savepoint inner = connection.setSavepoint();
    refused("23505", () -> run(connection, "insert into items (name) values ('outer')"));
    refused("25P02", () -> run(connection, "select 1"));
    connection.rollback(inner);
    run(connection, "insert into events (item) select id from items where name = 'outer'");
    connection.commit();
    refused("42703", () -> run(connection, "select nonsense"));
    connection.rollback();
    connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    run(connection, "select sum(amount) from items");
    run(connection, "update items set amount = 1 where id = 8");
    connection.commit();
    connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    try (PreparedStatement batch =
             connection.prepareStatement("insert into events (item, at) values (?, ?)")) {
      for (int i = 0; i < 10; ++i) {
        batch.setLong(1, i == 5 ? -1 : i + 1);
        batch.setInt(2, i);
        batch.addBatch();
      }
      refused("23503", batch::executeBatch);
    }
    connection.rollback();
  }

  static void cursors(Connection connection) throws Exception {
    try (PreparedStatement statement =
             connection.prepareStatement("select id, name from items where id > ? order by id")) {
      statement.setFetchSize(30);  // Execute with a row limit; portals that are suspended.
      statement.setLong(1, 10);
      drain(statement.executeQuery());
      ResultSet half = statement.executeQuery();
      for (int i = 0; i < 40; ++i) half.next();
      half.close();
      statement.setMaxRows(7);
      drain(statement.executeQuery());
    }
    try (CallableStatement call = connection.prepareCall("{? = call open_items(?)}")) {
      call.registerOutParameter(1, Types.REF_CURSOR);
      call.setInt(2, 6);
      call.execute();
      drain((ResultSet) call.getObject(1));
    }
    connection.commit();
    try (Statement statement = connection.createStatement(
             ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
      ResultSet rows = statement.executeQuery("select id, amount from items where id < 4");
      rows.absolute(2);
      rows.updateInt("amount", 77);
      rows.updateRow();
      rows.close();
    }
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void copies(Connection connection) throws Exception {
    CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
    StringBuilder rows = new StringBuilder();
    for (int i = 1; i < 200; ++i) rows.append(i).append("\tcopied\n");
    copies.copyIn("copy events (item, kind) from stdin",
        new ByteArrayInputStream(rows.toString().getBytes(StandardCharsets.UTF_8)));
    copies.copyOut("copy (select id, item, kind from events order by id) to stdout",
        new ByteArrayOutputStream());
    refused("22P02", () -> copies.copyIn("copy events (item) from stdin",
        new ByteArrayInputStream("no number\n".getBytes(StandardCharsets.UTF_8))));
    var cancelled = copies.copyIn("copy events (item) from stdin");
    cancelled.writeToCopy("1\n".getBytes(StandardCharsets.UTF_8), 0, 2);
    cancelled.cancelCopy();
  }

  // By function calls of the protocol.
  static void largeObjects(Connection connection) throws Exception {
    connection.setAutoCommit(false);
    LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
    long number = manager.createLO();
    LargeObject object = manager.open(number, LargeObjectManager.READWRITE);
    object.write(new byte[10000]);
    object.seek(10);
    object.read(500);
    object.close();
    manager.delete(number);
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void cancels(Connection connection) throws Exception {
    try (Statement statement = connection.createStatement()) {
      statement.setQueryTimeout(1);
      refused("57014", () -> statement.execute("select pg_sleep(60)"));
    }
  }

  static void notifications(Connection connection, Connection listener) throws Exception {
    run(listener, "listen chatter");
    for (int i = 0; i < 10; ++i) run(connection, "notify chatter, 'no " + i + "'");
    for (int told = 0; told < 10;) {
      PGNotification[] got = listener.unwrap(PGConnection.class).getNotifications(1000);
      told += got == null ? 0 : got.length;
    }
    run(listener, "select count(*) from items");
  }

  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[2]
        + "?user=" + arguments[3] + "&ApplicationName=exercise";
    try (Connection connection = DriverManager.getConnection(url);
        Connection listener = DriverManager.getConnection(url)) {
      prepared(connection);
      transactions(connection);
      cursors(connection);
      copies(connection);
      largeObjects(connection);
      cancels(connection);
      notifications(connection, listener);
      drain(connection.getMetaData().getColumns(null, "public", "items", "%"));
      run(connection, "select count(*), sum(item), max(id) from events");
    }
  }
}
