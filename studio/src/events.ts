// What jobs do, as the server tells it; the browser connects again by itself.

import { type Job } from "./api";
import { jobs, openSession, tell } from "./state";
import { toast } from "./toast";

const OVER = ["done", "failed", "cancelled", "cut short"];
const waiting = new Map<string, (job: Job) => void>();

export function isOver(job: Job): boolean {
  return OVER.includes(job.state);
}

export function listen(): void {
  const source = new EventSource("/api/events");
  source.addEventListener("job", (event) => take(JSON.parse((event as MessageEvent).data)));
}

/** A job that was just asked for is known at once, not when the server tells of it. */
export function take(job: Job): void {
  const before = jobs.get(job.id);
  if (before && isOver(before)) return;
  jobs.set(job.id, job);
  tell("jobs");
  if (!isOver(job)) return;
  waiting.get(job.id)?.(job);
  waiting.delete(job.id);
  if (job.state === "failed") toast(`${job.title}: ${job.error}`, "error");
  if (["index", "sample", "tidy-apply", "tidy-undo"].includes(job.kind)) void openSession();
}

export function finished(job: Job): Promise<Job> {
  take(job);
  const now = jobs.get(job.id)!;
  if (isOver(now)) return Promise.resolve(now);
  return new Promise((resolve) => waiting.set(job.id, resolve));
}
