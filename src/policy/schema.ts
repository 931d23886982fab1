import type { Profile } from '../domain/profile.ts';

/**
 * The text of `policies/schema.cedarschema`, which follows from the profiles alone: their parameters become optional
 * members of `context.parameters`, so that a policy on a parameter that no profile has is an error at load.
 */
export function generateSchema(profiles: Iterable<Profile>): string {
  const names = new Set([...profiles].flatMap(({ parameters }) => Object.keys(parameters)));
  const parameters = [...names].sort().map((name) => `  "${name}"?: String,\n`);
  return SCHEMA.replace('PARAMETERS', parameters.length === 0 ? '{}' : `{\n${parameters.join('')}}`);
}

const SCHEMA = `// Written by \`writ check --write-schema\` from the profiles. Do not edit: drift is an error of \`writ check\`.

// An entry of identity.trust, such as Trust::"mesh".
entity Trust;

// A group as an issuer names it, behind the trust entry that vouches for it: Group::"corp/leads".
entity Group;

// Who asks: Workload::"<trust>/<id>". Attributes of its identity are tags:
//   principal.hasTag("team") && principal.getTag("team") == "payments"
entity Workload in [Trust, Group] = {
  "id": String,
  "trust": String,
} tags String;

// What is offered: Profile::"orders-read". effect is read, write, delete or purchase.
entity Profile = {
  "name": String,
  "provider": String,
  "owner": String,
  "environment": String,
  "effect": String,
};

// What create_task and delegate ask for. mode is observe, supervised or autonomous.
entity Task = {
  "purpose": String,
  "mode": String,
  "environment": String,
  "environments": Set<String>,
};

// What each profile's parameters may be. Ask whether one is there first: context.parameters has month && ...
type Parameters = PARAMETERS;

// A workload that a context names: two with one id are one only if they have one trust entry too.
type NamedWorkload = {
  "trust": String,
  "id": String,
};

type Context = {
  // implicit: a single call made the task for itself. environments: all that it reaches. hop: how often it was handed on.
  "task": {
    "purpose": String,
    "mode": String,
    "environment": String,
    "environments": Set<String>,
    "implicit": Bool,
    "hop": Long,
  },
  // Of a task that was handed on: by whom last, and who began it.
  "delegation"?: {
    "from": NamedWorkload,
    "root": NamedWorkload,
  },
  "parameters": Parameters,
  // What was asked for, else the profile's default: context.requested_ttl <= duration("15m")
  "requested_ttl": duration,
  "now": datetime,
  "on_behalf_of"?: String,
  // Which trust entry verified a token of theirs, and their groups there. Not there: the workload has only named them.
  "on_behalf_of_verified"?: {
    "trust": String,
    "groups": Set<String>,
  },
  // by: whose approval it is.
  "approval"?: {
    "id": String,
    "by": Set<String>,
  },
};

action create_task, delegate appliesTo {
  principal: Workload,
  resource: Task,
  context: Context,
};

action issue, renew, call appliesTo {
  principal: Workload,
  resource: Profile,
  context: Context,
};
`;
