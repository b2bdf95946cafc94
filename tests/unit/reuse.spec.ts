import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run } from "../../tools/lib/process";
import { writeReadmeProgram } from "../support/readmeProgram";

describe("the README's program", function () {
    // Two programs and the components are type-checked.
    this.timeout(120_000);
    const directory = mkdtempSync(join(tmpdir(), "dp-reuse-"));
    before(() => writeReadmeProgram(directory));
    after(() => rmSync(directory, { recursive: true }));

    /** What the compiler of the program says about it. */
    async function compile(): Promise<string> {
        const tsc = join(directory, "node_modules/typescript/bin/tsc");
        const done = run(process.execPath, [tsc, "--noEmit", "--pretty", "false", "-p", directory]);
        return (await done.catch((error: { stdout: string }) => error)).stdout;
    }

    it("compiles with SDKs and settings of its own", async () => assert.equal(await compile(), ""));

    it("is told of an argument that the component does not have", async () => {
        const file = join(directory, "index.ts");
        const wrong = readFileSync(file, "utf8").replace("dnsNames", "hostNames");
        writeFileSync(file, wrong);
        assert.match(await compile(), /^\S*index\.ts\(.*'hostNames' does not exist in type 'HttpsTlsArgs'/m);
    });
});
