import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { KubernetesApiError, KubernetesClient, Secret } from "../../images/kit/kubernetes";
import { waitFor } from "../../tools/lib/process";
import { KubernetesApi } from "../support/kubernetesApi";

const secret = { apiVersion: "v1", resource: "secrets", name: "web" };
const value = (text: string) => ({ kind: "Secret", data: { key: text } });

describe("kit/kubernetes", () => {
    let api: KubernetesApi;
    let client: KubernetesClient;
    let stopped: AbortController;
    let seen: (string | undefined)[];
    let watching: Promise<void>;
    let errors: Error[];

    beforeEach(async () => {
        api = await KubernetesApi.start();
        client = api.client({ backoffMs: { first: 5, longest: 20 } });
        stopped = new AbortController();
        seen = [];
        errors = [];
        watching = Promise.resolve();
    });

    afterEach(async () => {
        stopped.abort();
        await watching;
        await client.close();
        await api.stop();
    });

    /** Records the values of the watched Secret; undefined stands for "does not exist". */
    function startWatch(watcher = client): void {
        watching = (async () => {
            const states = watcher.watch<Secret>(secret, {
                signal: stopped.signal,
                onError: (error) => errors.push(error),
            });
            for await (const state of states) seen.push(state?.data?.key);
        })();
    }

    const sees = (...values: (string | undefined)[]) =>
        waitFor(`the watch shows ${values.join(", ")}`, () => seen.length >= values.length, {
            timeoutMs: 5000,
            everyMs: 5,
        })
            .catch((error: Error) => assert.fail(`${error.message}; shown: ${seen.join(", ")}`))
            .then(() => assert.deepEqual(seen, values));

    const watches = () => api.requests.filter((request) => request.includes("watch=true"));

    const isWatching = (count: number) =>
        waitFor(`watch request ${count}`, () => watches().length >= count, { timeoutMs: 5000, everyMs: 5 });

    describe("requests", () => {
        it("creates, reads, replaces and patches an object, and says which is missing by undefined", async () => {
            assert.equal(await client.get(secret), undefined);
            await client.create(secret, { metadata: { name: "web" }, ...value("1") });
            const first = (await client.get<Secret>(secret))!;
            assert.equal(first.data?.key, "1");
            await client.replace(secret, { ...first, ...value("2") });
            await client.patch(secret, { data: { key: "3" } });
            assert.equal((await client.get<Secret>(secret))?.data?.key, "3");
            assert.equal(client.namespace, "test");
        });

        it("tells of a refusal by status, reason and the API's message", async () => {
            const body = { metadata: { name: "web" }, ...value("1") };
            const first = await client.create<Secret>(secret, body);
            await client.replace(secret, { ...first, ...value("2") });
            const refusal = (reason: string, message: RegExp) => (error: unknown) =>
                error instanceof KubernetesApiError &&
                error.status === 409 &&
                error.reason === reason &&
                message.test(error.message);
            await assert.rejects(
                client.create(secret, body),
                refusal("AlreadyExists", /"web" already exists \(status 409\)/),
            );
            await assert.rejects(client.replace(secret, first), refusal("Conflict", /has been modified/));
        });

        it("keeps the text of an answer that is not the API's", async () => {
            api.intercept = (_request, response) => Boolean(response.writeHead(502).end("<h1>Bad Gateway</h1>"));
            await assert.rejects(client.get(secret), { status: 502, message: "<h1>Bad Gateway</h1> (status 502)" });
        });

        it("finds the plural of a kind, not that of a subresource", async () => {
            assert.equal(await client.resourceOf("apps/v1", "Deployment"), "deployments");
            await assert.rejects(client.resourceOf("apps/v1", "Deploymint"), /no kind Deploymint in apps\/v1/);
        });

        it("uses a rotated token at once", async () => {
            api.put("secrets/web", value("1"));
            await client.get(secret);
            api.rotateToken("second-token");
            assert.equal((await client.get<Secret>(secret))?.data?.key, "1");
        });

        it("ends a request that is not answered in time", async () => {
            api.intercept = () => true;
            const hasty = api.client({ timeoutMs: 50 });
            await assert.rejects(hasty.get(secret), { name: "TimeoutError" });
            await hasty.close();
        });

        it("refuses a server of another CA, and works again once the service account has its CA", async () => {
            const other = await KubernetesApi.start();
            const directory = mkdtempSync(join(tmpdir(), "service-account-"));
            const give = (file: string, content: string) => writeFileSync(join(directory, file), content);
            give("namespace", "test");
            give("token", api.token);
            give("ca.crt", readFileSync(join(other.serviceAccount, "ca.crt"), "utf8"));
            const wary = new KubernetesClient({ directory, env: api.env });
            await assert.rejects(wary.get(secret), /certificate/);
            give("ca.crt", readFileSync(join(api.serviceAccount, "ca.crt"), "utf8"));
            assert.equal(await wary.get(secret), undefined);
            await wary.close();
            await other.stop();
            rmSync(directory, { recursive: true });
        });

        it("says what is missing outside a pod", () => {
            assert.throws(() => new KubernetesClient({ env: {} }), /KUBERNETES_SERVICE_HOST is not set/);
        });
    });

    describe("watch", () => {
        it("shows absence, creation, change and deletion of the one object", async () => {
            startWatch();
            await sees(undefined);
            await isWatching(1);
            api.put("secrets/other", value("x"));
            api.put("secrets/web", value("1"));
            await sees(undefined, "1");
            api.put("secrets/web", value("2"));
            api.delete("secrets/web");
            await sees(undefined, "1", "2", undefined);
            assert.equal(watches().length, 1);
        });

        it("goes on from the last event after the server ended the watch, without loss or repetition", async () => {
            api.put("secrets/web", value("1"));
            startWatch();
            await isWatching(1);
            api.endWatches();
            api.put("secrets/web", value("2"));
            await sees("1", "2");
            api.endWatches();
            await isWatching(3);
            api.put("secrets/web", value("3"));
            await sees("1", "2", "3");
            assert.equal(api.requests.filter((request) => !request.includes("watch=true")).length, 1, "one list only");
        });

        it("lists again after 410 Gone, and shows only what changed meanwhile", async () => {
            api.put("secrets/web", value("1"));
            startWatch();
            await isWatching(1);
            api.endWatches(410);
            await isWatching(2);
            assert.deepEqual(seen, ["1"]);
            // Between two watches: the change lies in the part of the history that the server forgets.
            api.endWatches();
            api.put("secrets/web", value("2"));
            api.bookmark();
            api.compact();
            await sees("1", "2");
        });

        it("starts again from a bookmark, which spares a list after quiet times", async () => {
            api.put("secrets/web", value("1"));
            startWatch();
            await isWatching(1);
            const before = watches().length;
            api.bookmark();
            api.compact();
            api.endWatches();
            await isWatching(before + 1);
            api.put("secrets/web", value("2"));
            await sees("1", "2");
            assert.equal(api.requests.filter((request) => !request.includes("watch=true")).length, 1, "one list only");
        });

        it("survives cut connections and refusals, and reports them", async () => {
            api.put("secrets/web", value("1"));
            startWatch();
            await isWatching(1);
            let refusals = 3;
            api.intercept = (_request, response) => refusals-- > 0 && Boolean(response.writeHead(503).end("busy"));
            api.cutConnections();
            await waitFor("the refusals", () => refusals < 0, { timeoutMs: 5000, everyMs: 5 });
            api.put("secrets/web", value("2"));
            await sees("1", "2");
            assert.equal(errors.filter((error) => /busy \(status 503\)/.test(error.message)).length, 3);
        });

        it("leaves a connection on which nothing comes any more", async () => {
            const quick = api.client({ silenceMs: 300, backoffMs: { first: 5, longest: 20 } });
            startWatch(quick);
            await isWatching(3);
            assert.deepEqual(errors, [], "silence is no failure");
            stopped.abort();
            await watching;
            await quick.close();
        });

        it("reads events that arrive in pieces, also within a character", async () => {
            const event = {
                type: "ADDED",
                object: { metadata: { uid: "1", resourceVersion: "101" }, data: { key: "schön" } },
            };
            const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
            const cut = bytes.indexOf(Buffer.from("ö")) + 1;
            api.intercept = (request, response) => {
                if (!request.url!.includes("watch=true")) return false;
                response.writeHead(200).write(bytes.subarray(0, cut));
                setTimeout(() => response.write(bytes.subarray(cut)), 20);
                return true;
            };
            startWatch();
            await sees(undefined, "schön");
        });

        it("ends with the signal, also during a pause", async () => {
            api.intercept = (_request, response) => Boolean(response.writeHead(503).end());
            const slow = api.client({ backoffMs: { first: 60_000, longest: 60_000 } });
            startWatch(slow);
            await waitFor("the refusal", () => errors.length > 0, { timeoutMs: 5000, everyMs: 5 });
            stopped.abort();
            await watching;
            await slow.close();
        });
    });
});
