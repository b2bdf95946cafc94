import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CommandError, run, runAttached, waitFor, which } from "../../../tools/lib/process";
import { duration } from "../../../tools/lib/progress";

const sh = (script: string, options = {}) => run("/bin/sh", ["-c", script], options);

describe("running a command", () => {
    it("gives both outputs apart, whole", async () => {
        const { stdout, stderr } = await sh('printf "é%.0s" $(seq 40000); echo error >&2');
        assert.equal(stdout, "é".repeat(40_000));
        assert.equal(stderr, "error\n");
    });

    it("fails with the status and the end of what the command said", async () => {
        await assert.rejects(sh("seq 100 >&2; exit 3"), (error: CommandError) => {
            assert.ok(error instanceof CommandError);
            assert.equal(error.status, 3);
            assert.match(error.message, /^\/bin\/sh -c .* ended with 3:\n89\n(\d+\n){10}100$/);
            assert.match(error.stderr, /^1\n2\n/);
            return true;
        });
        await assert.rejects(sh("echo on standard output; exit 1"), /ended with 1:\non standard output$/);
        await assert.rejects(sh("kill -9 $$"), /ended with SIGKILL$/);
        await assert.rejects(run("/no/such/command", []), { code: "ENOENT" });
    });

    it("hands in text, directory and environment, with variables taken away", async () => {
        const options = { input: "in", cwd: "/", env: { ADDED: "added", HOME: undefined } };
        const { stdout } = await sh('cat; printf " $PWD $ADDED ${HOME-none}"', options);
        assert.equal(stdout, "in / added none");
    });

    it("does not wait for a command that reads none of a long text", async () => {
        assert.equal((await sh("exit 0", { input: "x".repeat(1e6) })).stdout, "");
    });

    it("ends it when it takes too long", async () => {
        await assert.rejects(run("sleep", ["60"], { timeout: 50 }), /sleep 60 ended with SIGTERM/);
    });

    it("adds all output to a log as well", async () => {
        const directory = mkdtempSync(join(tmpdir(), "run-"));
        try {
            const logFile = join(directory, "log");
            await sh("echo one", { logFile });
            await sh("echo two >&2", { logFile });
            assert.equal(readFileSync(logFile, "utf8"), "one\ntwo\n");
        } finally {
            rmSync(directory, { recursive: true });
        }
    });

    it("at the terminal gives its status", async () => {
        assert.equal(await runAttached("/bin/sh", ["-c", "exit 7"]), 7);
        assert.equal(await runAttached("/bin/sh", ["-c", "exit 0"]), 0);
        assert.notEqual(await runAttached("/bin/sh", ["-c", "kill -9 $$"]), 0);
    });

    it("at the terminal hands over the lines of its standard error, the last one also without an end", async () => {
        const lines: string[] = [];
        const script = "seq 2000 >&2; printf last >&2; exit 3";
        assert.equal(await runAttached("/bin/sh", ["-c", script], { errorLine: (line) => lines.push(line) }), 3);
        assert.deepEqual(lines.slice(0, 2), ["1", "2"]);
        assert.equal(lines.length, 2001);
        assert.equal(lines.at(-1), "last");
    });
});

describe("finding a command", () => {
    it("looks in the directories given, by name alone", async () => {
        assert.match((await which("sh"))!, /^\/.*\/sh$/);
        assert.equal(await which("sh", "/nowhere"), undefined);
        assert.equal(await which("no-such-command; echo /bin/sh"), undefined);
    });
});

describe("waiting", () => {
    it("gives what the probe found, also after it failed", async () => {
        const outcomes = [
            () => undefined,
            () => false as const,
            () => {
                throw new Error("not yet");
            },
            () => 0,
        ];
        assert.equal(await waitFor("a number", () => outcomes.shift()!(), { everyMs: 1 }), 0);
    });

    it("says in the end what it waited for, how long, and what failed last", async () => {
        const probe = () => {
            throw new Error("connection refused");
        };
        await assert.rejects(waitFor("an answer", probe, { timeoutMs: 20, everyMs: 5 }), {
            message: "an answer: not within 0.02 s (connection refused)",
        });
        await assert.rejects(
            waitFor("an answer", () => false, { timeoutMs: 0 }),
            { message: "an answer: not within 0 s" },
        );
    });
});

describe("a duration for people", () => {
    for (const [seconds, text] of [
        [0.2, "0 s"],
        [8, "8 s"],
        [99.4, "99 s"],
        [125, "2 min 05 s"],
        [119.6, "2 min 00 s"],
    ] as const) {
        it(`of ${seconds} s is ${text}`, () => assert.equal(duration(seconds), text));
    }
});
