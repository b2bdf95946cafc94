import assert from "node:assert/strict";
import { join } from "node:path";

import type { TraceContext } from "../../images/kit";
import { waitFor } from "../../tools/lib/process";
import { endProcesses, startProcess, Service, startService } from "./support/imageProcess";

const file = join(__dirname, "support/sampleService.ts");

describe("kit app", function () {
    this.timeout(30_000);
    let service: Service;

    before(async () => {
        service = await startService(file, { LOG_LEVEL: "debug" });
    });
    after(endProcesses);

    /** The access log line of a path, once it is written. */
    function accessLine(path: string) {
        return waitFor("access log line", () => service.logged("request").find((line) => line.path === path));
    }

    it("answers health probes and logs them below info", async () => {
        assert.deepEqual(await (await fetch(`${service.url}/livez`)).json(), { status: "alive" });
        const ready = await fetch(`${service.url}/readyz`);
        assert.equal(ready.status, 200);
        assert.deepEqual(await ready.json(), { status: "ready", checks: { sample: { ready: true } } });
        assert.equal((await accessLine("/readyz")).level, "debug");
        assert.equal((await accessLine("/livez")).level, "debug");
    });

    it("is not ready with the reason of the failing check, yet alive", async () => {
        const { url } = await startService(file, { READY: "false" });
        const ready = await fetch(`${url}/readyz`);
        assert.equal(ready.status, 503);
        assert.deepEqual(await ready.json(), {
            status: "not ready",
            checks: { sample: { ready: false, reason: "READY is false" } },
        });
        assert.equal((await fetch(`${url}/livez`)).status, 200);
    });

    it("measures requests by route, method and status", async () => {
        await fetch(`${service.url}/trace?x=1`);
        await fetch(`${service.url}/no/such/1`);
        await fetch(`${service.url}/no/such/2`);
        const metrics = await (await fetch(`${service.url}/metrics`)).text();
        assert.match(metrics, /http_request_duration_seconds_count\{method="GET",route="\/trace",status="200"\} 1\n/);
        assert.match(metrics, /http_request_duration_seconds_count\{method="GET",route="unmatched",status="404"\} 2\n/);
        assert.match(metrics, /^process_cpu_seconds_total /m);
    });

    it("keeps a request id that is safe to log, and replaces any other", async () => {
        const kept = await fetch(`${service.url}/trace?secret=1`, { headers: { "x-request-id": "client-1" } });
        assert.equal(kept.headers.get("x-request-id"), "client-1");
        const line = await waitFor("line", () =>
            service.logged("request").find((each) => each.requestId === "client-1"),
        );
        assert.deepEqual([line.path, line.route, line.status, line.level], ["/trace", "/trace", 200, "info"]);
        const replaced = await fetch(`${service.url}/nowhere`, { headers: { "x-request-id": "a b\t{}" } });
        assert.match(replaced.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
        assert.equal(replaced.status, 404);
        assert.deepEqual(await replaced.json(), {
            error: "no route GET /nowhere",
            requestId: replaced.headers.get("x-request-id"),
        });
    });

    it("continues the caller's trace in a span of its own, and logs it", async () => {
        const [traceId, caller] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
        const headers = { traceparent: `00-${traceId}-${caller}-00`, tracestate: "vendor=1", "x-request-id": "traced" };
        const trace = (await (await fetch(`${service.url}/trace`, { headers })).json()) as TraceContext;
        assert.equal(trace.traceId, traceId);
        assert.equal(trace.parentSpanId, caller);
        assert.notEqual(trace.spanId, caller);
        assert.equal(trace.traceparent, `00-${traceId}-${trace.spanId}-00`);
        assert.equal(trace.tracestate, "vendor=1");
        const line = await waitFor("line", () => service.logged("request").find((each) => each.requestId === "traced"));
        assert.deepEqual([line.traceId, line.spanId], [traceId, trace.spanId]);
    });

    for (const traceparent of [
        undefined,
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ]) {
        it(`begins a trace when the caller sends ${traceparent ?? "none"}`, async () => {
            const headers = { tracestate: "vendor=1", ...(traceparent && { traceparent }) };
            const trace = (await (await fetch(`${service.url}/trace`, { headers })).json()) as TraceContext;
            assert.match(trace.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
            assert.notEqual(trace.traceId, "0af7651916cd43dd8448eb211c80319c");
            assert.deepEqual([trace.parentSpanId, trace.tracestate], [undefined, undefined]);
        });
    }

    it("keeps the message of an unforeseen error to the log", async () => {
        const failed = await fetch(`${service.url}/fail`);
        assert.equal(failed.status, 500);
        assert.doesNotMatch(await failed.text(), /hunter2/);
        const [line] = await waitFor("line", () => service.logged("request failed"));
        assert.equal((line.err as Error).message, "the password is hunter2");
        assert.equal(line.requestId, failed.headers.get("x-request-id"));
    });

    it("does not start when a route is not declared", async () => {
        const started = startProcess(file, { DECLARED_ONLY: "false", PORT: "1" });
        assert.equal(await started.ended, 1);
        assert.match(started.stdout, /served, but not declared: POST \/extra/);
    });
});
