/** A user without password for `usersXml` who has these grants alone. */
export function userWith(name: string, grants: readonly string[]): string {
  const queries = grants.map((grant) => `<query>GRANT ${grant}</query>`).join('');
  return `<${name}><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota><grants>${queries}</grants></${name}>`;
}
