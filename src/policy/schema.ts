import type { Profile } from '../domain/profile.ts';
import type { MappedType, Tool } from '../domain/tool.ts';

/**
 * The text of `policies/schema.cedarschema`, which follows from the profiles and tools alone: their parameters become optional
 * members of `context.parameters`, and what tools map of their arguments of `context.arguments`, so that a policy on one that
 * nothing has is an error at load.
 */
export function generateSchema(profiles: Iterable<Profile>, tools: readonly Tool[] = []): string {
  const parameters = [...profiles].flatMap(({ parameters }) => Object.keys(parameters));
  const mapped = tools.flatMap(({ mapping }) => Object.entries(mapping));
  return SCHEMA.replace('PARAMETERS', record(parameters.map((name) => [name, 'String']))).replace(
    'ARGUMENTS',
    record(mapped.map(([name, { type }]) => [name, CEDAR_TYPES[type]])),
  );
}

const CEDAR_TYPES: Readonly<Record<MappedType, string>> = {
  String: 'String',
  Long: 'Long',
  Bool: 'Bool',
  SetOfString: 'Set<String>',
};

/** A type of optional members, each once. */
function record(members: readonly (readonly [string, string])[]): string {
  const lines = [...new Map(members)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, type]) => `  "${name}"?: ${type},\n`);
  return lines.length === 0 ? '{}' : `{\n${lines.join('')}}`;
}

const SCHEMA = `// Written by \`writ check --write-schema\` from the profiles and tools. Do not edit: drift is an error of \`writ check\`.

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

// What is called: Tool::"refund". declared is the name in its file, which may have a *. effect is as above.
entity Tool = {
  "name": String,
  "declared": String,
  "owner": String,
  "environment": String,
  "effect": String,
};

// What create_task asks for. mode is observe, supervised or autonomous.
entity Task = {
  "purpose": String,
  "mode": String,
  "environment": String,
};

// What each profile's parameters may be. Ask whether one is there first: context.parameters has month && ...
type Parameters = PARAMETERS;

// What tools map of their arguments. Ask whether one is there first: context.arguments has amount && ...
type Arguments = ARGUMENTS;

type Context = {
  // implicit: a single call made the task for itself.
  "task": {
    "purpose": String,
    "mode": String,
    "environment": String,
    "implicit": Bool,
  },
  "parameters": Parameters,
  // What was asked for, else the profile's default: context.requested_ttl <= duration("15m")
  "requested_ttl": duration,
  "now": datetime,
  "on_behalf_of"?: String,
  // by: whose approval it is.
  "approval"?: {
    "id": String,
    "by": Set<String>,
  },
};

type CallContext = {
  "task": {
    "purpose": String,
    "mode": String,
    "environment": String,
    "implicit": Bool,
  },
  "arguments": Arguments,
  // The grant under which it is called: its profile, and the parameters that it was given for.
  "grant"?: {
    "profile": String,
    "parameters": Parameters,
  },
  "now": datetime,
  "on_behalf_of"?: String,
  "approval"?: {
    "id": String,
    "by": Set<String>,
  },
};

action create_task appliesTo {
  principal: Workload,
  resource: Task,
  context: Context,
};

action issue, renew, delegate appliesTo {
  principal: Workload,
  resource: Profile,
  context: Context,
};

action call appliesTo {
  principal: Workload,
  resource: Tool,
  context: CallContext,
};
`;
