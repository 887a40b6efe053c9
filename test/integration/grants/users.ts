import { readFileSync } from 'node:fs';

/** `<users>` elements without passwords. `DB` in a grant stands for each of the databases in turn. */
export function usersXml(users: Readonly<Record<string, readonly string[]>>, databases: readonly string[]): string {
  return Object.entries(users)
    .map(([name, grants]) =>
      userXml(
        name,
        grants.flatMap((grant) => inEach(grant, databases)),
      ),
    )
    .join('');
}

export function userXml(name: string, grants: readonly string[], { profile = 'default', quota = 'default', more = '' } = {}): string {
  const queries = grants.map((grant) => `<query>GRANT ${grant}</query>`).join('');
  return (
    `<${name}><password></password><networks><ip>::/0</ip></networks><profile>${profile}</profile><quota>${quota}</quota>` +
    `<grants>${queries}</grants>${more}</${name}>`
  );
}

function inEach(grant: string, databases: readonly string[]): string[] {
  return grant.includes('DB.') ? databases.map((database) => grant.replaceAll('DB.', `${database}.`)) : [grant];
}

/** What the README says that the gateway's account needs, with `DB` for the database of its example. */
export function accountGrants(): string[] {
  const [, statements = ''] = /<!-- grants of the account[^]*?```sql\n([^]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
  const grants = [...statements.matchAll(/^GRANT ([^]*?) TO sluice;$/gm)].map(([, grant = '']) => grant.replaceAll(/\bshop\./g, 'DB.'));
  if (grants.length === 0) throw new Error('the README names no grants of the account');
  return grants;
}
