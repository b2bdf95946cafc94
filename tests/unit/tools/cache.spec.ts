import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { cached, cachePath, keyOf } from "../../../tools/lib/cache";
import { checkout } from "../../../tools/lib/paths";
import { waitFor } from "../../../tools/lib/process";

describe("cache", () => {
    const kind = `test-${process.pid}`;
    const entry = cachePath(kind, "thing", "1");
    const scratch = `${entry}.partial`;

    afterEach(() => rmSync(dirname(entry), { recursive: true, force: true }));

    /** Builds the entry; `text` tells builds apart. */
    const build = (text: string) =>
        cached(kind, "thing", "1", async (directory) => writeFileSync(join(directory, "result"), text));

    it("builds an entry once, also when it is asked for twice at the same time", async () => {
        assert.deepEqual(await Promise.all([build("first"), build("second")]), [entry, entry]);
        await build("third");
        assert.equal(readFileSync(join(entry, "result"), "utf8"), "first");
    });

    it("has no entry of a build that was killed, and builds anew without what it left", async () => {
        const source = `
const { writeFileSync } = require("node:fs");
const { cached } = require("./tools/lib/cache");
cached("${kind}", "thing", "1", async (directory) => {
    writeFileSync(directory + "/result", "half");
    writeFileSync(directory + "/other", "half");
    await new Promise(() => setInterval(() => undefined, 1e6));
});`;
        const child = spawn(process.execPath, ["-r", "./tools/register.cjs", "-e", source], { cwd: checkout });
        await waitFor("the first files of the build", () => existsSync(join(scratch, "other")), { timeoutMs: 20_000 });
        child.kill("SIGKILL");
        await once(child, "exit");
        assert.equal(existsSync(entry), false);
        await build("whole");
        assert.equal(readFileSync(join(entry, "result"), "utf8"), "whole");
        assert.equal(existsSync(join(entry, "other")), false);
    });

    it("has no entry of a build that failed, and says why", async () => {
        await assert.rejects(
            cached(kind, "thing", "1", async (directory) => {
                mkdirSync(join(directory, "half"));
                throw new Error("compiler error");
            }),
            /^Error: compiler error$/,
        );
        assert.equal(existsSync(entry), false);
        assert.equal(existsSync(scratch), false);
    });

    it("names what is full when the disk is", async () => {
        await assert.rejects(
            cached(kind, "thing", "1", async () => writeFileSync("/dev/full", "x")),
            {
                name: "UserError",
                message: `no space left for thing in ${dirname(entry)}; free some, or set DP_CACHE to another disk`,
            },
        );
        assert.equal(existsSync(scratch), false);
    });
});

describe("cache key", () => {
    let directory: string;
    const write = (name: string, text: string) => {
        mkdirSync(dirname(join(directory, name)), { recursive: true });
        writeFileSync(join(directory, name), text);
    };
    const key = () => keyOf({ paths: [directory] });

    beforeEach(() => {
        directory = join(mkdtempSync(join(tmpdir(), "key-")), "inputs");
        write("sub/one", "1");
        write("two", "2");
    });
    afterEach(() => rmSync(dirname(directory), { recursive: true }));

    it("stays the same for the same content elsewhere", () => {
        const copy = join(dirname(directory), "elsewhere", "inputs");
        cpSync(directory, copy, { recursive: true });
        assert.equal(keyOf({ paths: [copy] }), key());
    });

    for (const [change, apply] of Object.entries({
        "a file's content": () => write("sub/one", "other"),
        "a file's name": () => {
            rmSync(join(directory, "sub/one"));
            write("sub/another", "1");
        },
        "a new file": () => write("three", ""),
        "a border between files": () => {
            write("sub/one", "12");
            write("two", "");
        },
    })) {
        it(`changes with ${change}`, () => {
            const before = key();
            apply();
            assert.notEqual(key(), before);
        });
    }

    it("changes with the border between two texts", () => {
        assert.notEqual(keyOf({ texts: ["ab", "c"] }), keyOf({ texts: ["a", "bc"] }));
    });
});
