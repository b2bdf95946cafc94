import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { daemonPid, runRoot, startDaemon, stopDaemon } from "../../../tools/images/daemon";

describe("background process", () => {
    const name = `test-${process.pid}`;
    const record = join(runRoot, `${name}.pid`);
    let directory: string;

    /** A shell that says that it is ready by making a file, and then waits. */
    const daemonOf = (script: string, readyTimeoutMs = 5_000) => ({
        name,
        command: "/bin/sh",
        args: ["-c", script, "sh", join(directory, "ready")],
        logFile: join(directory, "log"),
        ready: async () => existsSync(join(directory, "ready")),
        readyTimeoutMs,
    });

    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "daemon-"))));
    afterEach(async () => {
        await stopDaemon(name, 100);
        rmSync(directory, { recursive: true });
    });

    it("is found again once started, and not once stopped", async () => {
        const pid = await startDaemon(daemonOf('touch "$1"; exec sleep 60'));
        assert.equal(daemonPid(name), pid);
        assert.equal(await stopDaemon(name), true);
        assert.equal(daemonPid(name), undefined);
        assert.equal(await stopDaemon(name), false);
    });

    it("is killed when it does not heed SIGTERM", async () => {
        await startDaemon(daemonOf('trap "" TERM; touch "$1"; while :; do sleep 0.1; done'));
        assert.equal(await stopDaemon(name, 200), true);
        assert.equal(daemonPid(name), undefined);
    });

    it("is not taken for another process that has its id now", async () => {
        const pid = await startDaemon(daemonOf('touch "$1"; exec sleep 60'));
        const own = readFileSync(record, "utf8");
        writeFileSync(record, `${pid} 1`);
        assert.equal(daemonPid(name), undefined);
        writeFileSync(record, own);
        assert.equal(daemonPid(name), pid);
    });

    it("fails with what it said when it stops at once", async () => {
        await assert.rejects(startDaemon(daemonOf("echo no such storage; exit 3")), {
            name: "UserError",
            message: new RegExp(`^${name} stopped at once: no such storage; its log is ${directory}/log$`),
        });
        assert.equal(existsSync(record), false);
    });

    it("is stopped when it is not ready in time", async () => {
        await assert.rejects(startDaemon(daemonOf("exec sleep 60", 300)), /not within 0.3 s: it said nothing/);
        assert.equal(daemonPid(name), undefined);
    });
});
