// What programs may ask of this studio, read from the server's own description.

import { ask } from "./api";
import { h, replace } from "./dom";
import { attempt } from "./toast";

interface Schema {
  $ref?: string;
  type?: string;
  title?: string;
  default?: unknown;
  enum?: unknown[];
  items?: Schema;
  anyOf?: Schema[];
  properties?: { [name: string]: Schema };
  required?: string[];
}
interface Operation {
  description?: string;
  parameters?: { name: string; in: string; schema: Schema }[];
  requestBody?: { content: { [kind: string]: { schema: Schema } } };
}
interface Spec {
  paths: { [path: string]: { [method: string]: Operation } };
  components?: { schemas: { [name: string]: Schema } };
}

export function specView(place: HTMLElement): void {
  const list = h("div", { class: "stack", "aria-busy": "true" }, h("p", { class: "muted" }, "Reading…"));
  replace(place, h("div", { class: "tidy spec" },
    h("div", { class: "stack" }, h("h1", {}, "For programs"),
      h("p", { class: "muted" }, "Everything that this page asks can be asked by others. ", h("a", { href: "/openapi.json", target: "_blank", rel: "noopener" }, "/openapi.json"), " says it in full."),
      h("p", { class: "muted" }, "With ", h("code", {}, "lorarium studio --host ... --read-token TOKEN"), " a program that sends ", h("code", {}, "Authorization: Bearer TOKEN"), " may look at everything (what is marked with GET, search and forecast) and change nothing. Changes need the access token and the header ", h("code", {}, "x-lorarium-change"), " of ", h("code", {}, "/api/session"), ".")),
    list));
  void attempt(ask<Spec>("/openapi.json")).then((spec) => {
    if (!spec || !list.isConnected) return;
    list.removeAttribute("aria-busy");
    replace(list, Object.entries(spec.paths).map(([path, methods]) => Object.entries(methods).map(([method, operation]) => entry(spec, path, method, operation))));
  });
}

function entry(spec: Spec, path: string, method: string, operation: Operation): HTMLElement {
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const fields = body ? Object.entries(resolved(spec, body).properties ?? {}) : [];
  const parameters = operation.parameters ?? [];
  return h("details", { class: "panel" },
    h("summary", {}, h("span", { class: "badge family" }, method.toUpperCase()), " ", h("code", {}, path)),
    operation.description && h("p", {}, operation.description),
    parameters.length > 0 && h("dl", { class: "pairs" }, parameters.map((p) => [h("dt", {}, p.name), h("dd", { class: "muted" }, `${p.in}: ${kind(spec, p.schema)}`)])),
    fields.length > 0 && h("dl", { class: "pairs" }, fields.map(([name, schema]) => [h("dt", {}, name), h("dd", { class: "muted" }, kind(spec, schema))])),
    !operation.description && !parameters.length && !fields.length && h("p", { class: "muted" }, "It takes nothing."));
}

function resolved(spec: Spec, schema: Schema): Schema {
  const name = schema.$ref?.split("/").pop();
  return (name && spec.components?.schemas[name]) || schema;
}

function kind(spec: Spec, schema: Schema): string {
  const own = resolved(spec, schema);
  if (own.anyOf) return own.anyOf.map((one) => kind(spec, one)).join(" or ");
  if (own.enum) return own.enum.map((value) => JSON.stringify(value)).join(", ");
  const words = own.items ? `list of ${kind(spec, own.items)}` : (own.type ?? own.title ?? "anything");
  return schema.default === undefined || schema.default === null ? words : `${words}, ${JSON.stringify(schema.default)} by default`;
}
