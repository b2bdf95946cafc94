// Lets Node require TypeScript files: ts-node without type-checking, and with its output kept on disk. Loading the
// TypeScript compiler takes longer than a whole preview otherwise computes; with a warm cache it is not loaded at all.
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { homedir } = require("node:os");
const { join } = require("node:path");

if (!require.extensions[".ts"]) {
    const cacheHome = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
    const directory = join(process.env.DP_CACHE || join(cacheHome, "distributed-patterns"), "transpiled");
    const settings = ["typescript/package.json", "ts-node/package.json", "../tsconfig.json"].map((file) =>
        readFileSync(require.resolve(file)),
    );
    let compiler;

    const compile = (source, file) => {
        compiler ??= require("ts-node").create({ transpileOnly: true, cwd: join(__dirname, "..") });
        return compiler.compile(source, file);
    };

    // The name of the file is part of the key: the source map inside the output holds it.
    const transpile = (file) => {
        const source = readFileSync(file, "utf8");
        const hash = createHash("sha256").update(source).update(file);
        for (const part of settings) hash.update(part);
        const entry = join(directory, `${hash.digest("hex")}.js`);
        try {
            return readFileSync(entry, "utf8");
        } catch {
            const output = compile(source, file);
            try {
                mkdirSync(directory, { recursive: true });
                const scratch = `${entry}.${process.pid}`;
                writeFileSync(scratch, output);
                renameSync(scratch, entry);
            } catch {
                // A cache that cannot be written costs time, not the run.
            }
            return output;
        }
    };

    require.extensions[".ts"] = (module, file) => module._compile(transpile(file), file);
    process.setSourceMapsEnabled(true);
    require("node:module").enableCompileCache?.(join(directory, "v8"));
}
