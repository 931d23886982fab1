import { randomBytes } from 'node:crypto';

/** What the engine `database` makes logins at. */
export interface FakeDatabase {
  readonly logins: ReadonlyMap<string, string>;
  /** Also of logins that are no more. */
  readonly passwords: readonly string[];
  /** While it is away nothing is made or dropped. */
  away: boolean;
  create(): { readonly username: string; readonly password: string };
  drop(username: string): void;
  /** Whether such a login is let in. */
  admits(username: unknown, password: unknown): boolean;
}

export function makeDatabase(): FakeDatabase {
  const logins = new Map<string, string>();
  const passwords: string[] = [];
  const reach = () => {
    if (database.away) throw new Error('the database is away');
  };
  const database: FakeDatabase = {
    logins,
    passwords,
    away: false,
    create() {
      reach();
      const login = {
        username: `v-writ-${randomBytes(8).toString('hex')}`,
        password: randomBytes(18).toString('base64url'),
      };
      logins.set(login.username, login.password);
      passwords.push(login.password);
      return login;
    },
    drop(username) {
      reach();
      logins.delete(username);
    },
    admits: (username, password) =>
      typeof username === 'string' && logins.get(username) === password && password !== undefined,
  };
  return database;
}
