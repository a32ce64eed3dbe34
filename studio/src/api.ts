// What the page asks of the server. A change carries the token that only this page can read.

export class Refused extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

let change = "";
let askToken: () => Promise<boolean> = async () => false;

export function onLocked(ask: () => Promise<boolean>): void {
  askToken = ask;
}

export function useChange(token: string): void {
  change = token;
}

export async function ask<T>(path: string, options: RequestInit = {}, again = true): Promise<T> {
  const response = await fetch(path, options).catch(() => {
    throw new Refused("the studio does not answer: is it still running?", 0);
  });
  if (response.status === 401 && again && path !== "/api/login" && (await askToken()))
    return ask<T>(path, options, false);
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(document.error ?? `error ${response.status}`, response.status);
  return document as T;
}

export function send<T>(path: string, body: unknown = {}, method = "POST"): Promise<T> {
  return ask<T>(path, {
    method,
    headers: { "content-type": "application/json", "x-lorarium-change": change },
    body: JSON.stringify(body),
  });
}

export function drop<T>(path: string): Promise<T> {
  return ask<T>(path, { method: "DELETE", headers: { "x-lorarium-change": change } });
}

export function upload(file: File): Promise<Upload> {
  const name = encodeURIComponent(file.name.slice(0, 100));
  return ask<Upload>(`/api/uploads?name=${name}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream", "x-lorarium-change": change },
    body: file,
  });
}

export interface Upload {
  id: string;
  kind: "picture" | "adapter";
  name: string;
  size: number;
}

export interface Row {
  key: string;
  content: string;
  name: string;
  suffix: string;
  title: string;
  base: string;
  author: string;
  family: string;
  kind: string;
  dialect: string;
  dtype: string;
  folder: string;
  rank: number | null;
  size: number;
  norm: number | null;
  modules: number | null;
  parameters: number | null;
  words: string[];
  tags: string[];
  own?: string[];
  health: string[];
  error: string;
  modified: number;
  why?: string;
  score?: number | null;
}

export interface Job {
  id: string;
  kind: string;
  title: string;
  state: "waiting" | "running" | "done" | "failed" | "cancelled" | "cut short";
  made: number;
  began: number | null;
  ended: number | null;
  done: number;
  total: number;
  words: string;
  error: string;
  result: any;
}

export interface Session {
  version: string;
  change: string;
  files: number;
  state: string;
  folders: string[];
  library: string;
  torch: boolean;
  bases: string[]; // families that can be drawn
  jobs: Job[];
  tags: [string, number][];
}
