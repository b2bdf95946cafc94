// Lets Node require TypeScript files, and makes all that does so start sooner: the program under Pulumi, the tools and
// the tests. What each part saves: docs/performance.md.
"use strict";
const { createRequire, enableCompileCache } = require("node:module");
const { homedir } = require("node:os");
const { join } = require("node:path");

/** What Pulumi's SDK requires as it starts, for things that a program of ours does not do. */
const LATE = [
    // Serializing functions, for dynamic providers and for the callbacks of serverless clouds.
    "typescript",
    "@npmcli/arborist",
    "normalize-package-data",
    // Tracing, which is off unless it is asked for.
    "@opentelemetry/exporter-zipkin",
    "@opentelemetry/instrumentation",
    "@opentelemetry/instrumentation-grpc",
    "@opentelemetry/resources",
    "@opentelemetry/sdk-trace-base",
    "@opentelemetry/sdk-trace-node",
    // Running the CLI from a program, and the YAML of its stack files.
    "@pulumi/pulumi/automation",
    "js-yaml",
];

if (!require.extensions[".ts"]) {
    const cacheHome = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
    const cache = join(process.env.DP_CACHE || join(cacheHome, "distributed-patterns"), "transpiled");
    // Node 22.8 and newer; first, because it holds for what is loaded from here on.
    enableCompileCache?.(join(cache, "v8"));

    const { loadLate, provide } = require("./register/modules.cjs");
    const { mapStackTraces, noteOutput } = require("./register/stackTraces.cjs");
    const { transpiler } = require("./register/transpile.cjs");
    const transpile = transpiler(cache);
    require.extensions[".ts"] = (module, file) => module._compile(noteOutput(file, transpile(file)), file);
    mapStackTraces();

    const sdk = createRequire(require.resolve("@pulumi/pulumi/package.json"));
    // An SDK of another version may do without one of them.
    const find = (name) => {
        try {
            return sdk.resolve(name);
        } catch {
            return undefined;
        }
    };
    // It would replace the stack traces made above.
    const formatter = find("source-map-support/register");
    if (formatter) provide(formatter, {});
    for (const file of LATE.map(find).filter(Boolean)) loadLate(file);
}
