import { isJsonObject } from '../domain/json.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import { isMonth } from './archived.ts';
import { HASH_BYTES } from './merkle.ts';
import { bytesOf } from './note.ts';
import type { Hashes } from './proofs.ts';

/**
 * An export of the log, as JSON Lines: a header, an event on each line in sealed order, and a trailer with a signed checkpoint and what
 * proves that the events are the log's, whole and in their order. An event stands there with exactly the bytes that were sealed, so
 * that no parser comes between it and its hash. What was put away has one line for each range of leaves.
 */
export interface ExportHeader {
  readonly origin: string;
  /** Leaves from `first` up to, not including, `end`. */
  readonly first: number;
  readonly end: number;
}

export interface ExportedEvent {
  readonly leaf: number;
  /** The leaf's hash, in base64: from it can be told which event was altered. */
  readonly hash: string;
  readonly body: string;
}

/** What was put away of the range: in place of its events, what stands for them in the proof. */
export interface ExportedArchive {
  readonly month: string;
  /** Of the archive's file. */
  readonly sha256: string;
  /** Leaves from `first` up to, not including, `end`. */
  readonly first: number;
  readonly end: number;
  /** The roots of the largest perfect subtrees above them, from left to right. */
  readonly hashes: Hashes;
}

export interface ExportTrailer {
  /** The signed note. */
  readonly checkpoint: string;
  /** The tree of the checkpoint's size beside the range. */
  readonly left: Hashes;
  readonly right: Hashes;
  /** That the log goes on from checkpoints that somebody has kept. */
  readonly consistency: readonly ConsistencyProof[];
  /** Events outside of the range that say that something of it was put away. */
  readonly archivings: readonly ProvenEvent[];
}

/** An event as it was sealed, and what proves that it is in the log of the checkpoint. */
export interface ProvenEvent {
  readonly leaf: number;
  readonly body: string;
  readonly path: Hashes;
}

export interface ConsistencyProof {
  readonly oldSize: number;
  readonly path: Hashes;
}

const VERSION = 1;

export function headerLine({ origin, first, end }: ExportHeader): string {
  return JSON.stringify({ writ_export: VERSION, origin, first, end });
}

export function eventLine({ leaf, hash, body }: ExportedEvent): string {
  return `{"leaf":${leaf},"hash":"${hash}","event":${body}}`;
}

export function archiveLine({ month, sha256, first, end, hashes }: ExportedArchive): string {
  return JSON.stringify({ archived: month, sha256, first, end, hashes: hashes.map(base64) });
}

/** Undefined for what is no such line. */
export function readArchiveLine(line: string): ExportedArchive | undefined {
  if (!line.startsWith('{"archived":')) return undefined;
  const { archived, sha256, first, end, hashes } = objectOf(line);
  const read = hashesOf(hashes);
  if (typeof archived !== 'string' || typeof sha256 !== 'string' || !isCount(first) || !isCount(end)) return undefined;
  if (!isMonth(archived) || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return read && first < end ? { month: archived, sha256, first, end, hashes: read } : undefined;
}

export function trailerLine({ checkpoint, left, right, consistency, archivings }: ExportTrailer): string {
  const proofs = consistency.map(({ oldSize, path }) => ({ old_size: oldSize, path: path.map(base64) }));
  const events = archivings.map(({ leaf, body, path }) => ({ leaf, event: body, path: path.map(base64) }));
  const more = events.length === 0 ? {} : { archivings: events };
  return JSON.stringify({ checkpoint, left: left.map(base64), right: right.map(base64), consistency: proofs, ...more });
}

export function readHeader(line: string): ExportHeader | undefined {
  const { writ_export: version, origin, first, end } = objectOf(line);
  if (version !== VERSION || typeof origin !== 'string' || !isCount(first) || !isCount(end) || first > end)
    return undefined;
  return { origin, first, end };
}

const HASH_CHARS = 44;
const BEFORE_HASH = ',"hash":"';
const BEFORE_EVENT = '","event":';

/** Undefined for what is not written as `eventLine` writes it. */
export function readEventLine(line: string): ExportedEvent | undefined {
  const comma = line.indexOf(',');
  const leaf = line.slice(0, comma);
  const hash = comma + BEFORE_HASH.length;
  const event = hash + HASH_CHARS;
  const body = event + BEFORE_EVENT.length;
  if (
    !/^\{"leaf":\d{1,15}$/.test(leaf) ||
    !line.startsWith(BEFORE_HASH, comma) ||
    !line.startsWith(BEFORE_EVENT, event)
  ) {
    return undefined;
  }
  if (!line.endsWith('}') || body >= line.length - 1) return undefined;
  return { leaf: Number(leaf.slice('{"leaf":'.length)), hash: line.slice(hash, event), body: line.slice(body, -1) };
}

export function readTrailer(line: string): ExportTrailer | undefined {
  const { checkpoint, left, right, consistency, archivings = [] } = objectOf(line);
  const [before, behind] = [hashesOf(left), hashesOf(right)];
  if (typeof checkpoint !== 'string' || !before || !behind || !Array.isArray(consistency) || !Array.isArray(archivings))
    return undefined;
  const proofs = (consistency as readonly Json[]).map((each) => {
    const { old_size: oldSize, path } = isJsonObject(each) ? each : {};
    const hashes = hashesOf(path);
    return isCount(oldSize) && hashes ? { oldSize, path: hashes } : undefined;
  });
  const read = proofs.filter((proof) => proof !== undefined);
  const events = (archivings as readonly Json[]).map(readProvenEvent);
  const told = events.filter((event) => event !== undefined);
  if (read.length < proofs.length || told.length < events.length) return undefined;
  return { checkpoint, left: before, right: behind, consistency: read, archivings: told };
}

function readProvenEvent(value: Json): ProvenEvent | undefined {
  const { leaf, event, path } = isJsonObject(value) ? value : {};
  const hashes = hashesOf(path);
  return isCount(leaf) && typeof event === 'string' && hashes ? { leaf, body: event, path: hashes } : undefined;
}

function objectOf(line: string): JsonObject {
  try {
    const value = JSON.parse(line) as Json;
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** Hashes in base64; undefined where one is none. */
export function hashesOf(value: Json | undefined): Uint8Array[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const hashes = (value as readonly Json[]).map((each) => (typeof each === 'string' ? bytesOf(each) : undefined));
  const whole = hashes.filter((hash) => hash?.length === HASH_BYTES).filter((hash) => hash !== undefined);
  return whole.length === hashes.length ? whole : undefined;
}

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
