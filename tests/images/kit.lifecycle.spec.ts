import assert from "node:assert/strict";
import { Agent, get, IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { waitFor } from "../../tools/lib/process";
import { endProcesses, startProcess, startService } from "./support/imageProcess";

const file = join(__dirname, "support/sampleService.ts");
const job = join(__dirname, "support/sampleJob.ts");

/** Status of `/readyz`, on a connection of its own; 0 when it is refused. */
function readyStatus(url: string): Promise<number> {
    return fetch(`${url}/readyz`, { headers: { connection: "close" } }).then(
        (r) => r.status,
        () => 0,
    );
}

describe("kit service", function () {
    this.timeout(30_000);
    afterEach(endProcesses);

    it("drains: not ready at once, serves during the delay, refuses connections, finishes requests, ends with 0", async () => {
        const service = await startService(file, { DRAIN_DELAY: "1s", ANSWER_AFTER: "3s" });
        const slow = fetch(`${service.url}/slow`).then((response) => response.json());
        await waitFor("request in flight", () => service.logged("slow request arrived").length === 1);

        service.kill("SIGTERM");
        await waitFor("not ready", async () => (await readyStatus(service.url)) === 503);
        const during = await fetch(`${service.url}/trace`);
        assert.equal(during.status, 200, "served during the delay");
        assert.equal(during.headers.get("connection"), "close", "and asked to go elsewhere");

        await waitFor("connections refused", async () => (await readyStatus(service.url)) === 0);
        assert.equal(service.logged("stopped").length, 0, "still finishing the request");
        assert.deepEqual(await slow, { done: true });
        assert.equal(await service.ended, 0);
    });

    it("serves a request that arrives complete only after connections are refused", async () => {
        const service = await startService(file, { DRAIN_DELAY: "0s" });
        const socket = connect(Number(service.env.PORT), "127.0.0.1");
        const answer = text(socket);
        socket.write("GET /trace HTTP/1.1\r\nhost: sample\r\n");
        // Answered after the first part was sent; the parts of a request are parsed as they come.
        await fetch(`${service.url}/livez`);
        service.kill("SIGTERM");
        await waitFor("connections refused", async () => (await readyStatus(service.url)) === 0);
        socket.write("\r\n");
        assert.match(await answer, /^HTTP\/1.1 200 OK\r\n[^]*connection: close\r\n/i);
        assert.equal(await service.ended, 0);
    });

    it("does not wait for a kept connection whose answer began before the stop signal", async () => {
        const service = await startService(file, { DRAIN_DELAY: "0s", ANSWER_AFTER: "500ms" });
        const agent = new Agent({ keepAlive: true });
        const begun = new Promise<IncomingMessage>((resolve, reject) => {
            get(`${service.url}/stream`, { agent }, resolve).on("error", reject);
        });
        const response = await begun;
        service.kill("SIGTERM");
        assert.equal(await text(response), "beginend");
        assert.notEqual(response.headers.connection, "close");
        assert.equal(await service.ended, 0);
        agent.destroy();
    });

    it("gives up on requests after DRAIN_TIMEOUT and ends with 1", async () => {
        const service = await startService(file, { DRAIN_DELAY: "0s", DRAIN_TIMEOUT: "300ms", ANSWER_AFTER: "1h" });
        const slow = fetch(`${service.url}/slow`).then(
            () => "answered",
            () => "cut",
        );
        await waitFor("request in flight", () => service.logged("slow request arrived").length === 1);
        service.kill("SIGTERM");
        assert.equal(await service.ended, 1);
        assert.equal(await slow, "cut");
        assert.match(service.stdout, /not done within DRAIN_TIMEOUT/);
    });

    for (const [signal, code] of [
        ["SIGTERM", 143],
        ["SIGINT", 130],
    ] as const) {
        it(`ends at once with ${code} when ${signal} is the second stop signal`, async () => {
            const service = await startService(file, { DRAIN_DELAY: "1h" });
            service.kill("SIGTERM");
            await waitFor("draining", () => service.logged("stopping").length === 1);
            service.kill(signal);
            assert.equal(await service.ended, code);
        });
    }

    it("ends with 1 and a log line when nobody catches an error", async () => {
        const service = await startService(file);
        await fetch(`${service.url}/crash`).catch(() => undefined);
        assert.equal(await service.ended, 1);
        const [line] = service.logged("uncaughtException");
        assert.equal((line.err as Error).message, "crashed on purpose");
    });

    it("prints every wrong parameter and ends with 78", async () => {
        const started = startProcess(file, { PORT: "http", DRAIN_DELAY: "5" });
        assert.equal(await started.ended, 78);
        assert.deepEqual(started.stderr.trim().split("\n"), [
            'sample-service: PORT is "http"; give a whole number from 1 to 65535',
            'sample-service: DRAIN_DELAY is "5"; give a duration with its unit (ms, s, m, h or d) of at most 1h',
        ]);
    });

    it("ends with 1 when its port is taken", async () => {
        const service = await startService(file);
        const second = startProcess(file, service.env);
        assert.equal(await second.ended, 1);
        assert.match(JSON.stringify(second.logged("not started")), /EADDRINUSE/);
    });

    it("probes its own service", async () => {
        const [ready, notReady] = await Promise.all([startService(file), startService(file, { READY: "false" })]);
        assert.equal(await startProcess(file, ready.env, { args: ["--probe=/readyz"] }).ended, 0);
        assert.equal(
            await startProcess(file, { ...ready.env, HOST: "0.0.0.0" }, { args: ["--probe=/readyz"] }).ended,
            0,
        );
        const failed = startProcess(file, notReady.env, { args: ["--probe=/readyz"] });
        assert.equal(await failed.ended, 1);
        assert.match(failed.stderr, /\/readyz answered 503: .*READY is false/);
        notReady.kill("SIGKILL");
        await notReady.ended;
        const refused = startProcess(file, notReady.env, { args: ["--probe=/livez"] });
        assert.equal(await refused.ended, 1);
        assert.match(refused.stderr, /ECONNREFUSED/);
    });

    for (const args of [["--descibe"], ["--probe=readyz"], ["--probe=/livez", "--describe"]]) {
        it(`refuses ${args.join(" ")} with 64`, async () => {
            const started = startProcess(file, {}, { args });
            assert.equal(await started.ended, 64);
            assert.equal(
                started.stderr,
                `sample-service: ${args.join(" ")} is no argument; give none, or --describe or --probe=<path>\n`,
            );
        });
    }
});

describe("kit job", function () {
    this.timeout(30_000);
    afterEach(endProcesses);

    for (const [end, code, output] of [
        ["done", 0, /"msg":"done"/],
        ["failed", 1, /failed on purpose/],
        ["misconfigured", 78, /sample-job: END is wrong together with another/],
        ["unknown", 78, /END is "unknown"; give one of done, failed/],
    ] as const) {
        it(`ends with ${code} when it is ${end}`, async () => {
            const started = startProcess(job, { END: end });
            assert.equal(await started.ended, code);
            assert.match(started.stdout + started.stderr, output);
        });
    }

    it("tells its work to stop on SIGTERM and ends with 143", async () => {
        const started = startProcess(job, { END: "stopped" });
        await waitFor("work begun", () => started.logged("waiting").length === 1);
        started.kill("SIGTERM");
        assert.equal(await started.ended, 143);
    });
});
