// Stack traces with the lines of the TypeScript files. Pulumi's SDK takes a stack trace at each resource and keeps the
// line in the state, so this has to be both right and cheap. Node's own source maps read and parse those of every
// package as well; source-map-support, which the SDK loads, does that too, and finds none for a file that is
// TypeScript on disk, so it would give the lines of the JavaScript.
"use strict";
const { SourceMap } = require("node:module");

const INLINE = "sourceMappingURL=data:application/json;base64,";
/** By file: its JavaScript, and once a trace needed it, its source map. */
const outputs = new Map();

/** Notes the JavaScript of a file, with its source map inside, and returns it. */
exports.noteOutput = (file, output) => {
    outputs.set(file, output);
    return output;
};

/** Makes every stack trace name the lines of the files that `noteOutput` was told of. */
exports.mapStackTraces = () => {
    Error.prepareStackTrace = (error, sites) => [heading(error), ...sites.map(located)].join("\n    at ");
};

function heading(error) {
    try {
        return Error.prototype.toString.call(error);
    } catch {
        return "<error>";
    }
}

function located(site) {
    const text = String(site);
    const file = site.getFileName();
    const map = outputs.has(file) ? sourceMapOf(file) : undefined;
    if (!map) return text;
    const [line, column] = [site.getLineNumber(), site.getColumnNumber()];
    const { originalLine, originalColumn } = map.findEntry(line - 1, column - 1);
    if (originalLine === undefined) return text;
    return text.replace(`${file}:${line}:${column}`, `${file}:${originalLine + 1}:${originalColumn + 1}`);
}

function sourceMapOf(file) {
    let output = outputs.get(file);
    if (typeof output === "string") {
        const at = output.lastIndexOf(INLINE);
        const payload = at < 0 ? undefined : Buffer.from(output.slice(at + INLINE.length), "base64").toString();
        output = payload && new SourceMap(JSON.parse(payload));
        outputs.set(file, output);
    }
    return output;
}
