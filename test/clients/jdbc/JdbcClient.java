import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.Statement;
import java.sql.Types;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32;

/**
 * Runs one scenario of clickhouse-jdbc against a server: {@code JdbcClient <scenario> <url> [<argument>…]}. Ends with 0 when it holds.
 * Only java.sql, so that every line of the driver runs the same program.
 */
public final class JdbcClient {
  private static final int ROWS = 100_000;
  private static final int BATCH_ROWS = 25_000;
  private static final int MESSAGES = 100;
  /** Computes for hours and sends no row. */
  private static final String LONG_QUERY = "SELECT number AS running FROM system.numbers WHERE cityHash64(number) = 0";

  public static void main(String[] arguments) throws Exception {
    String url = arguments[1];
    try (Connection connection = DriverManager.getConnection(url)) {
      switch (arguments[0]) {
        case "volume" -> volume(connection);
        case "kafka" -> kafka(connection, arguments[2], arguments[3]);
        case "errors" -> errors(connection, arguments[2], arguments[3]);
        case "metadata" -> metadata(connection, arguments[2]);
        case "cancel" -> cancel(connection, url);
        case "cancel_result" -> cancelResult(connection, url);
        case "timeout" -> timeout(connection, url);
        default -> throw new IllegalArgumentException(arguments[0]);
      }
    }
    // Pools of the drivers keep threads.
    System.exit(0);
  }

  /** Batches of a prepared INSERT, and all rows read back: one by one, and by the server's checksum. */
  private static void volume(Connection connection) throws SQLException {
    String columns = "(id UInt64, s String, n Nullable(Int32), d Decimal(18, 3))";
    execute(connection, "CREATE OR REPLACE TABLE jdbc_t " + columns + " ENGINE = MergeTree ORDER BY id");
    long checksum = 0;
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc_t (id, s, n, d) VALUES (?, ?, ?, ?)")) {
      for (int id = 0; id < ROWS; id++) {
        insert.setLong(1, id);
        insert.setString(2, textOf(id));
        if (id % 3 == 0) insert.setNull(3, Types.INTEGER);
        else insert.setInt(3, -id);
        insert.setBigDecimal(4, amountOf(id));
        insert.addBatch();
        checksum += crc32(id + textOf(id));
        if (id % BATCH_ROWS == BATCH_ROWS - 1) expect(insert.executeBatch().length == BATCH_ROWS, "a batch counts its rows");
      }
    }
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT id, s, n, d FROM jdbc_t ORDER BY id")) {
      int id = 0;
      for (; rows.next(); id++) {
        String s = rows.getString(2);
        expect(rows.getLong(1) == id && s.equals(textOf(id)), "row " + id + " is " + rows.getLong(1) + ", " + s);
        int n = rows.getInt(3);
        expect(id % 3 == 0 ? rows.wasNull() : n == -id, "n of row " + id + " is " + n);
        expect(rows.getBigDecimal(4).compareTo(amountOf(id)) == 0, "d of row " + id + " is " + rows.getBigDecimal(4));
      }
      expect(id == ROWS, id + " rows");
    }
    String summed = ask(connection, "SELECT sum(CRC32(concat(toString(id), s))) FROM jdbc_t");
    expect(Long.parseLong(summed) == checksum, "the checksum is " + summed + ", not " + checksum);
    execute(connection, "DROP TABLE jdbc_t");
  }

  private static String textOf(int id) {
    return "row '" + id + "'\t\"é\"\n\\" + "x".repeat(id % 40);
  }

  private static BigDecimal amountOf(int id) {
    return BigDecimal.valueOf(id * 1001L, 3);
  }

  private static long crc32(String text) {
    CRC32 crc = new CRC32();
    crc.update(text.getBytes(StandardCharsets.UTF_8));
    return crc.getValue();
  }

  /** The topic holds {@link #MESSAGES} messages. {@code insertSql} has an id and a name as parameters. */
  private static void kafka(Connection connection, String engine, String insertSql) throws Exception {
    execute(connection, "CREATE TABLE queue (id UInt64, name String) " + engine);
    execute(connection, "CREATE TABLE target (id UInt64, name String) ENGINE = MergeTree ORDER BY id");
    execute(connection, "CREATE MATERIALIZED VIEW view TO target AS SELECT id, name FROM queue");
    expect(ask(connection, "SHOW CREATE TABLE queue").contains("ENGINE = Kafka"), "SHOW CREATE tells the engine");
    expectCode(connection, 620, "SELECT * FROM queue");
    expectArrival(connection, MESSAGES);
    // What is written to the table comes back through its topic.
    try (PreparedStatement insert = connection.prepareStatement(insertSql)) {
      for (int id = MESSAGES; id < 2 * MESSAGES; id++) {
        insert.setLong(1, id);
        insert.setString(2, textOf(id));
        insert.addBatch();
      }
      insert.executeBatch();
    }
    expectArrival(connection, 2 * MESSAGES);
    for (String name : List.of("view", "queue", "target")) execute(connection, "DROP TABLE " + name);
    expect(countTables(connection) == 0, "tables are left");
  }

  /** Waits until the ids 0 to {@code count} - 1 are in the target. */
  private static void expectArrival(Connection connection, int count) throws Exception {
    String expected = count + "," + count * (count - 1) / 2;
    String arrived = "SELECT concat(toString(count()), ',', toString(sum(id))) FROM target";
    waitFor(() -> ask(connection, arrived).equals(expected), count + " rows to arrive");
  }

  /** Each statement fails with its code, and with the words that the server behind {@code serverUrl} answers to it. */
  private static void errors(Connection connection, String serverUrl, String engine) throws SQLException {
    String queue = "CREATE TABLE queue (id UInt64) ";
    execute(connection, "CREATE TABLE taken (id UInt64) ENGINE = Null");
    try (Connection server = DriverManager.getConnection(serverUrl)) {
      expectSame(connection, server, 60, "SELECT * FROM no_such_table");
      expectSame(connection, server, 47, "SELECT nope");
      expectSame(connection, server, 62, "CREATE TABLE queue (id UInt64) ENGINE = Kafka SETTINGS = 1");
      expectSame(connection, server, 115, queue + engine + ", kafka_no_such_setting = 1");
      expectSame(connection, server, 42, queue + "ENGINE = Kafka('127.0.0.1:1')");
      expectSame(connection, server, 57, "CREATE TABLE taken (id UInt64) " + engine);
      expectSame(connection, server, 81, "CREATE TABLE no_such_database.queue (id UInt64) " + engine);
    }
    expect(countTables(connection) == 1, "a failed CREATE left a table");
  }

  /** What tools that show a schema ask: the Kafka table stands among the others, its declared columns first. */
  private static void metadata(Connection connection, String engine) throws SQLException {
    String database = ask(connection, "SELECT currentDatabase()");
    execute(connection, "CREATE TABLE queue (id UInt64, name Nullable(String)) " + engine);
    execute(connection, "CREATE TABLE target (id UInt64) ENGINE = MergeTree ORDER BY id");
    DatabaseMetaData metadata = connection.getMetaData();
    List<String> tables = new ArrayList<>();
    try (ResultSet rows = metadata.getTables(null, database, "%", null)) {
      // The 0.6 line calls a database a catalog, and adds the server's own ones.
      while (rows.next()) {
        boolean isInDatabase = database.equals(rows.getString("TABLE_SCHEM")) || database.equals(rows.getString("TABLE_CAT"));
        if (isInDatabase) tables.add(rows.getString("TABLE_NAME"));
      }
    }
    expect(tables.equals(List.of("queue", "target")), "getTables: " + tables);
    List<String> columns = new ArrayList<>();
    try (ResultSet rows = metadata.getColumns(null, database, "queue", "%")) {
      while (rows.next() && columns.size() < 2)
        columns.add(rows.getString("COLUMN_NAME") + " " + rows.getString("TYPE_NAME") + " " + rows.getString("IS_NULLABLE"));
    }
    expect(columns.equals(List.of("id UInt64 NO", "name Nullable(String) YES")), "getColumns: " + columns);
  }

  /** From another thread, while the query computes and has sent nothing. */
  private static void cancel(Connection connection, String url) throws Exception {
    try (Statement statement = connection.createStatement(); Connection other = DriverManager.getConnection(url)) {
      CompletableFuture<SQLException> failure = CompletableFuture.supplyAsync(() -> failureOf(statement, LONG_QUERY));
      waitFor(() -> isRunning(other), "the query to start");
      statement.cancel();
      SQLException exception = failure.get();
      expect(exception != null && exception.getErrorCode() == 394, "the cancelled query fails with " + exception);
      expectUsable(connection, other);
    }
  }

  /** From another thread, while rows arrive and are read. */
  private static void cancelResult(Connection connection, String url) throws Exception {
    try (Statement statement = connection.createStatement(); Connection other = DriverManager.getConnection(url)) {
      AtomicLong read = new AtomicLong();
      String endless = "SELECT number AS running FROM system.numbers";
      CompletableFuture<Exception> failure = CompletableFuture.supplyAsync(() -> readToFailure(statement, endless, read));
      waitFor(() -> read.get() > ROWS || failure.isDone(), "rows to arrive");
      expect(isRunning(other), "the query runs");
      statement.cancel();
      Exception exception = failure.get();
      expect(exception != null, "the result ends as if it were whole");
      expectUsable(connection, other);
    }
  }

  /** Null when all rows can be read; `read` counts them. */
  private static Exception readToFailure(Statement statement, String sql, AtomicLong read) {
    try (ResultSet rows = statement.executeQuery(sql)) {
      // At the end of a broken result the current driver reads the text of the exception as rows, then fails.
      for (; rows.next(); read.incrementAndGet()) if (read.get() < ROWS) expect(rows.getLong(1) == read.get(), "row " + read.get());
      return null;
    } catch (Exception exception) {
      // Whatever the driver's reader throws.
      return exception;
    }
  }

  private static void timeout(Connection connection, String url) throws Exception {
    try (Statement statement = connection.createStatement(); Connection other = DriverManager.getConnection(url)) {
      statement.setQueryTimeout(1);
      SQLException exception = failureOf(statement, LONG_QUERY);
      boolean isTimeout = exception instanceof SQLTimeoutException || exception != null && exception.getErrorCode() == 159;
      expect(isTimeout, "the query fails with " + exception);
      expectUsable(connection, other);
    }
  }

  private static boolean isRunning(Connection other) throws SQLException {
    String ofOurs = "current_database = currentDatabase() AND query LIKE 'SELECT number AS running %'";
    return !ask(other, "SELECT count() FROM system.processes WHERE " + ofOurs).equals("0");
  }

  private static void expectUsable(Connection connection, Connection other) throws Exception {
    waitFor(() -> !isRunning(other), "the query to end on the server");
    expect(ask(connection, "SELECT 1").equals("1"), "the connection works");
  }

  private static void expectSame(Connection connection, Connection server, int code, String sql) throws SQLException {
    String ours = withoutQueryId(expectCode(connection, code, sql));
    String theirs = withoutQueryId(expectCode(server, code, sql));
    expect(ours.equals(theirs), sql + "\nfails with " + ours + "\ninstead of " + theirs);
  }

  private static String expectCode(Connection connection, int code, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      SQLException exception = failureOf(statement, sql);
      expect(exception != null, sql + " succeeds");
      expect(exception.getErrorCode() == code, sql + " fails with " + exception.getErrorCode() + ": " + exception);
      return exception.getMessage();
    }
  }

  private static String withoutQueryId(String message) {
    return message.replaceAll("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID");
  }

  /** Null when the query succeeds. */
  private static SQLException failureOf(Statement statement, String sql) {
    try {
      if (statement.execute(sql)) statement.getResultSet().close();
      return null;
    } catch (SQLException exception) {
      return exception;
    }
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** The first value of the first row. */
  private static String ask(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
      expect(rows.next(), "no rows from " + sql);
      return rows.getString(1);
    }
  }

  private static int countTables(Connection connection) throws SQLException {
    return Integer.parseInt(ask(connection, "SELECT count() FROM system.tables WHERE database = currentDatabase()"));
  }

  private interface Condition {
    boolean holds() throws Exception;
  }

  private static void waitFor(Condition condition, String what) throws Exception {
    long deadline = System.nanoTime() + Duration.ofSeconds(90).toNanos();
    while (!condition.holds()) {
      expect(System.nanoTime() < deadline, "gave up waiting for " + what);
      Thread.sleep(50);
    }
  }

  private static void expect(boolean holds, String message) {
    if (!holds) throw new AssertionError(message);
  }
}
