import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CommandError, run } from "../../tools/lib/process";
import { readmeProgram, writeReadmeProgram } from "../support/readmeProgram";

describe("the README's program", function () {
    // The compiler reads the SDKs and the components.
    this.timeout(120_000);
    const directory = mkdtempSync(join(tmpdir(), "dp-reuse-"));
    before(() => writeReadmeProgram(directory));
    after(() => rmSync(directory, { recursive: true }));

    it("compiles with SDKs and settings of its own, where one with a wrong argument does not", async () => {
        const wrong = readmeProgram().replace("dnsNames", "hostNames");
        writeFileSync(join(directory, "wrong.ts"), wrong);
        const project = join(directory, "tsconfig.both.json");
        writeFileSync(project, JSON.stringify({ extends: "./tsconfig.json", files: ["index.ts", "wrong.ts"] }));
        const tsc = join(directory, "node_modules/typescript/bin/tsc");
        await assert.rejects(
            run(process.execPath, [tsc, "--noEmit", "--pretty", "false", "-p", project], { cwd: directory }),
            ({ stdout }: CommandError) => {
                assert.match(stdout, /^wrong\.ts\(.*'hostNames' does not exist in type 'HttpsTlsArgs'/);
                assert.equal(stdout.match(/error TS/g)?.length, 1, stdout);
                return true;
            },
        );
    });
});
