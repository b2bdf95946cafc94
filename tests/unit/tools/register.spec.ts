import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkout } from "../../../tools/lib/paths";
import { run } from "../../../tools/lib/process";

describe("tools/register.cjs", function () {
    this.timeout(60_000);
    let directory: string;
    before(() => (directory = mkdtempSync(join(tmpdir(), "dp-register-"))));
    after(() => rmSync(directory, { recursive: true, force: true }));

    /** Runs JavaScript in a process of its own, with a cache of this suite's own; what it prints is JSON. */
    async function evaluate<T>(source: string): Promise<T> {
        const args = ["-r", "./tools/register.cjs", "-e", source];
        const { stdout } = await run(process.execPath, args, { cwd: checkout, env: { DP_CACHE: directory } });
        return JSON.parse(stdout) as T;
    }

    function typescript(name: string, lines: string[]): string {
        const file = join(directory, name);
        writeFileSync(file, lines.join("\n"));
        return JSON.stringify(file);
    }

    it("names the lines of TypeScript in stack traces, beside Pulumi's SDK and with a warm cache too", async () => {
        const file = typescript("throws.ts", [
            "interface Shape {",
            "    sides: number;",
            "}",
            "export const fail = (shape?: Shape) => new Error(String(shape)).stack;",
        ]);
        const source = `require("@pulumi/pulumi"); require("source-map-support/register");
            console.log(JSON.stringify(require(${file}).fail().split("\\n").slice(0, 2)));`;
        for (const cache of ["cold", "warm"]) {
            const [heading, place] = await evaluate<string[]>(source);
            assert.equal(heading, "Error: undefined", cache);
            assert.match(place, /at .*fail \(.*throws\.ts:4:40\)$/, cache);
        }
    });

    it("refuses a syntax error with its place", async () => {
        const file = typescript("broken.ts", ["const a = 1;", "const b: = a;"]);
        await assert.rejects(evaluate(`require(${file})`), {
            stderr: /SyntaxError: .*broken\.ts\(2,10\): error TS1110: Type expected/,
        });
    });

    it("loads the compiler and npm's tree only once a function is serialized, which still works", async () => {
        const { atStart, text, atEnd } = await evaluate<{ atStart: boolean[]; text: string; atEnd: boolean[] }>(`
            const pulumi = require("@pulumi/pulumi");
            const { computeCodePaths } = pulumi.runtime;
            const standIns = () => ["typescript", "@npmcli/arborist"].map(
                (name) => require("node:util").types.isProxy(require.cache[require.resolve(name)].exports));
            const atStart = standIns();
            pulumi.runtime.serializeFunction(() => 6 * 7).then(async ({ text }) => {
                await computeCodePaths();
                console.log(JSON.stringify({ atStart, text, atEnd: standIns() }));
            });`);
        assert.deepEqual(atStart, [true, true]);
        assert.match(text, /6 \* 7/);
        assert.deepEqual(atEnd, [false, false]);
    });

    it("leaves the Automation API usable", async () => {
        const source = `console.log(JSON.stringify(Object.keys(require("@pulumi/pulumi").automation)))`;
        assert.ok((await evaluate<string[]>(source)).includes("LocalWorkspace"));
    });
});
