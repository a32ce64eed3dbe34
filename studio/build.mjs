// node build.mjs: bundles src into the package. The first line of what it writes names the sources,
// so that a test can tell whether the bundle is theirs.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";

const out = "../src/lorarium/studio/page";
const hash = createHash("sha256");
for (const name of readdirSync("src").sort()) hash.update(name + "\0").update(readFileSync(`src/${name}`));
const banner = `/* lorarium studio, Apache-2.0, built by studio/build.mjs from ${hash.digest("hex")} */`;

await build({
  entryPoints: { app: "src/main.ts" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  banner: { js: banner },
});
await build({ entryPoints: { app: "src/app.css" }, outdir: out, bundle: true, minify: true, banner: { css: banner } });
for (const name of ["index.html", "icon.svg"]) copyFileSync(`src/${name}`, `${out}/${name}`);
