import org.flywaydb.core.Flyway;

/** Migrates with Flyway: {@code FlywayClient <url> <folder>}. Prints how many migrations were applied. */
public final class FlywayClient {
  public static void main(String[] arguments) {
    Flyway flyway = Flyway.configure().dataSource(arguments[0], "default", "").locations("filesystem:" + arguments[1]).load();
    System.out.println(flyway.migrate().migrationsExecuted);
    // Pools of the driver keep threads.
    System.exit(0);
  }
}
