/** Asks the server as the client: one read-only query, its rows with every value as text. Throws the server's answer as `ClickHouseException`. */
export type Ask = (sql: string) => Promise<readonly (readonly string[])[]>;
