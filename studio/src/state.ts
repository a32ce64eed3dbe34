// What all views share: the session, what is selected, what lies on the bench, and who wants to know.

import { ask, type Job, type Row, type Session, useChange } from "./api";

type Listener = () => void;
const listeners = new Map<string, Set<Listener>>();

export function on(what: string, listener: Listener): () => void {
  const set = listeners.get(what) ?? new Set();
  listeners.set(what, set.add(listener));
  return () => set.delete(listener);
}

export function tell(what: string): void {
  for (const listener of [...(listeners.get(what) ?? [])]) listener();
}

export let session: Session;
export const jobs = new Map<string, Job>();
export const selected = new Set<string>();
export const known = new Map<string, Row>();
export const bench: { row: Row; weight: number }[] = [];
export const MOST_ON_BENCH = 4;

export async function openSession(): Promise<void> {
  const before = session?.state;
  session = await ask<Session>("/api/session");
  useChange(session.change);
  for (const job of session.jobs) jobs.set(job.id, job);
  if (before !== undefined && before !== session.state) tell("library");
}

/** The chosen folders by their last names; by their whole ones where these are the same. */
export function folderNames(): string[] {
  const last = session.folders.map((folder) => folder.split(/[\\/]/).filter(Boolean).pop() ?? folder);
  return session.folders.map((folder, i) => (last.filter((name) => name === last[i]).length > 1 ? folder : last[i]));
}

export function remember(rows: Row[]): Row[] {
  for (const row of rows) known.set(row.key, row);
  return rows;
}

export function select(key: string, want = !selected.has(key)): void {
  if (want) selected.add(key);
  else selected.delete(key);
  tell("selection");
}

export function clearSelection(): void {
  selected.clear();
  tell("selection");
}

export async function rowsOf(keys: string[]): Promise<Row[]> {
  const missing = keys.filter((key) => !known.has(key)).slice(0, 200);
  if (missing.length) {
    const query = new URLSearchParams(missing.map((key) => ["key", key]));
    remember((await ask<{ rows: Row[] }>(`/api/rows?${query}`)).rows);
  }
  return keys.flatMap((key) => known.get(key) ?? []);
}

export function putOnBench(row: Row): string {
  if (bench.some((item) => item.row.key === row.key)) return `${row.name} is on the bench already`;
  if (bench.length >= MOST_ON_BENCH) return `the bench holds ${MOST_ON_BENCH}: take one off first`;
  const family = bench[0]?.row.family;
  if (family && family !== row.family) return `${row.name} is for ${row.family}, the bench has ${family}`;
  bench.push({ row, weight: 1 });
  tell("bench");
  return "";
}
