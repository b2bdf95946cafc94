// TypeScript to JavaScript without type-checking, and with the output kept on disk. Loading the TypeScript compiler
// takes longer than a whole preview otherwise computes; with a warm cache it is not loaded at all.
"use strict";
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const TSCONFIG = join(__dirname, "../../tsconfig.json");

/** A function that returns the JavaScript of a file, with its source map inside; outputs are kept in `directory`. */
exports.transpiler = (directory) => {
    const settings = [TSCONFIG, require.resolve("typescript/package.json"), __filename].map((file) =>
        readFileSync(file),
    );
    return (file) => {
        const source = readFileSync(file, "utf8");
        const hash = createHash("sha256").update(source);
        for (const part of settings) hash.update(part);
        const entry = join(directory, `${hash.digest("hex")}.js`);
        try {
            return readFileSync(entry, "utf8");
        } catch {
            const output = transpile(source, file);
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
};

let compilerOptions;

function transpile(source, file) {
    const ts = require("typescript");
    compilerOptions ??= {
        ...ts.convertCompilerOptionsFromJson(ts.readConfigFile(TSCONFIG, ts.sys.readFile).config.compilerOptions)
            .options,
        inlineSourceMap: true,
    };
    const { outputText, diagnostics } = ts.transpileModule(source, {
        fileName: file,
        compilerOptions,
        reportDiagnostics: true,
    });
    if (diagnostics.length > 0) {
        const host = {
            getCurrentDirectory: () => process.cwd(),
            getCanonicalFileName: (name) => name,
            getNewLine: () => "\n",
        };
        throw new SyntaxError(ts.formatDiagnostics(diagnostics, host).trim());
    }
    return outputText;
}
