import assert from "node:assert/strict";

import { waitFor } from "../../tools/lib/process";
import { bundled, endProcesses, Service, startService } from "./support/imageProcess";

describe("legacy-service", function () {
    this.timeout(30_000);
    let service: Service;

    before(async () => {
        service = await startService(await bundled("legacy-service"), { GREETING: "Good day" });
    });
    after(endProcesses);

    it("greets in plain text", async () => {
        const response = await fetch(service.url);
        assert.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
        assert.equal(await response.text(), "Good day\n");
    });

    it("shows the request as it arrived", async () => {
        const response = await fetch(`${service.url}/headers`, { headers: { "x-forwarded-for": "203.0.113.7" } });
        const { remoteAddress, headers } = (await response.json()) as Record<string, any>;
        assert.equal(remoteAddress, "127.0.0.1", "the peer, whatever a header claims");
        assert.equal(headers["x-forwarded-for"], "203.0.113.7");
    });

    it("answers after the time asked for", async () => {
        const start = performance.now();
        assert.deepEqual(await (await fetch(`${service.url}/slow?ms=300`)).json(), { ms: 300 });
        assert.ok(performance.now() - start >= 299);
    });

    for (const query of ["", "?ms=", "?ms=10001", "?ms=-1", "?ms=1&ms=2", "?ms=1e3"]) {
        it(`refuses /slow${query}, naming ms`, async () => {
            const response = await fetch(`${service.url}/slow${query}`);
            assert.equal(response.status, 400);
            assert.match(
                ((await response.json()) as { error: string }).error,
                /^ms is .*; give a whole number from 0 to 10000$/,
            );
        });
    }

    it("answers 404 as JSON elsewhere", async () => {
        const response = await fetch(`${service.url}/nowhere`);
        assert.equal(response.status, 404);
        assert.equal(((await response.json()) as { error: string }).error, "no route GET /nowhere");
    });

    it("listens on localhost alone unless told otherwise", async () => {
        // An empty variable counts as not set.
        const { url } = await startService(await bundled("legacy-service"), { HOST: "" });
        const { port } = new URL(url);
        assert.equal((await fetch(`${url}/livez`)).status, 200);
        // All of 127.0.0.0/8 is this machine: a service on every address would answer here too.
        await assert.rejects(fetch(`http://127.0.0.2:${port}/livez`), /fetch failed/);
    });

    it("finishes a slow request when it is told to stop", async () => {
        const stopping = await startService(await bundled("legacy-service"), {
            DRAIN_DELAY: "100ms",
            LOG_LEVEL: "debug",
        });
        const slow = fetch(`${stopping.url}/slow?ms=1500`).then((response) => response.status);
        // Answered after the slow one was sent, on a connection of its own.
        await fetch(`${stopping.url}/livez`);
        stopping.kill("SIGTERM");
        await waitFor("stopping", () => stopping.logged("stopping").length === 1);
        assert.equal(await slow, 200);
        assert.equal(await stopping.ended, 0);
    });
});
