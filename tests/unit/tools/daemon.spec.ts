import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { daemonPid, startDaemon, stopDaemon } from "../../../tools/lib/daemon";
import { isAlive } from "../../../tools/lib/processId";
import { waitFor } from "../../../tools/lib/process";

describe("daemon", () => {
    let directory: string;
    let ready: string;
    let record: string;

    /** A shell that says that it is ready by making the file that is its argument, and then waits. */
    const daemonOf = (script: string) => ({ name: "d", directory, command: ["/bin/sh", "-c", script, "sh", ready] });
    const readiness = (timeoutMs = 10_000) => ({ check: () => existsSync(ready), timeoutMs });
    const start = (script: string, timeoutMs?: number) => startDaemon(daemonOf(script), readiness(timeoutMs));

    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "daemon-"));
        ready = join(directory, "ready");
        record = join(directory, "d.pid");
    });
    afterEach(async () => {
        await stopDaemon({ name: "d", directory }, 100);
        rmSync(directory, { recursive: true });
    });

    it("is found again once started, and not once stopped", async () => {
        const daemon = daemonOf("");
        const pid = await start('touch "$1"; exec sleep 60');
        assert.equal(daemonPid(daemon), pid);
        assert.equal(await stopDaemon(daemon), true);
        assert.equal(daemonPid(daemon), undefined);
        assert.equal(await stopDaemon(daemon), false);
    });

    it("is not started twice", async () => {
        const pid = await start('touch "$1"; exec sleep 60');
        assert.equal(await start('touch "$1"; exec sleep 60'), pid);
    });

    it("is killed when it does not heed SIGTERM", async () => {
        const pid = await start('trap "" TERM; touch "$1"; while :; do sleep 0.1; done');
        assert.equal(await stopDaemon(daemonOf(""), 200), true);
        assert.equal(isAlive(pid), false);
    });

    it("is not taken for another process that has its id now", async () => {
        const pid = await start('touch "$1"; exec sleep 60');
        const own = readFileSync(record, "utf8");
        writeFileSync(record, `${pid} 1`);
        assert.equal(daemonPid(daemonOf("")), undefined);
        writeFileSync(record, own);
        assert.equal(daemonPid(daemonOf("")), pid);
    });

    it("is taken for ended once it is a zombie", async () => {
        // The shell's child ends, and the shell, which has become `sleep`, never asks for its status.
        const shell = spawn("/bin/sh", ["-c", "sleep 0.01 & echo $!; exec sleep 60"]);
        try {
            const [line] = (await once(shell.stdout, "data")) as [Buffer];
            const pid = Number(String(line));
            await waitFor("a zombie", () => / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")));
            assert.equal(isAlive(pid), false);
        } finally {
            shell.kill();
        }
    });

    it("fails with what it said when it ends at once", async () => {
        await assert.rejects(start("echo no such storage; exit 3"), {
            name: "UserError",
            message: `d ended: no such storage; its log is ${directory}/d.log`,
        });
        assert.equal(existsSync(record), false);
    });

    it("is stopped when it is not ready in time", async () => {
        await assert.rejects(start('echo $$ > "$1.pid"; exec sleep 60', 500), {
            name: "UserError",
            message: /^d: not within 0.5 s: it said nothing; its log is /,
        });
        assert.equal(isAlive(Number(readFileSync(`${ready}.pid`, "utf8"))), false);
    });

    it("keeps the log of the run before", async () => {
        await assert.rejects(start("echo first; exit 1"));
        await assert.rejects(start("echo second; exit 1"));
        assert.equal(readFileSync(join(directory, "d.log"), "utf8"), "second\n");
        assert.equal(readFileSync(join(directory, "d.log.previous"), "utf8"), "first\n");
    });

    it("gets its own environment where one is given", async () => {
        const daemon = { ...daemonOf('echo "$GIVEN$HOME"; exit 1'), env: { GIVEN: "only this" } };
        await assert.rejects(startDaemon(daemon, readiness()), /d ended: only this;/);
    });

    it("joins its cgroups before it starts, and does not start outside of them", async () => {
        // What the shell writes into is a plain file here; the kernel's side is shown on the cluster.
        const cgroups = ["one", "two's group"].map((name) => join(directory, name));
        for (const cgroup of cgroups) mkdirSync(cgroup);
        const pid = await startDaemon({ ...daemonOf('touch "$1"; exec sleep 60'), cgroups }, readiness());
        for (const cgroup of cgroups) assert.equal(readFileSync(join(cgroup, "cgroup.procs"), "utf8"), `${pid}\n`);

        await stopDaemon(daemonOf(""));
        rmSync(ready);
        const missing = { ...daemonOf('touch "$1"; exec sleep 60'), cgroups: [join(directory, "missing")] };
        await assert.rejects(startDaemon(missing, readiness()), /d ended: .*missing/);
        assert.equal(existsSync(ready), false);
    });
});
