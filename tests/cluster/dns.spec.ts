import assert from "node:assert/strict";

import { waitFor } from "../../tools/lib/process";
import { IDLE, SERVE_NAME, skipUnlessFromModules, TestNamespace } from "./support/testNamespace";

describe("DNS in a pod", function () {
    this.timeout(120_000);
    let namespace: TestNamespace;

    before(async function () {
        skipUnlessFromModules(this);
        namespace = await TestNamespace.open("dns");
        const selector = { app: "server" };
        const service = (name: string, spec: object) => ({
            apiVersion: "v1",
            kind: "Service",
            metadata: { name },
            spec: { selector, ports: [{ name: "http", port: 80, targetPort: 8080 }], ...spec },
        });
        await namespace.apply(service("plain", {}), service("headless", { clusterIP: "None" }));
        await Promise.all([namespace.run("server", SERVE_NAME, { labels: selector }), namespace.run("client", IDLE)]);
    });
    after(() => namespace?.close());

    /** Asks in the client pod, as programs do: by the resolver of the operating system. */
    const lookup = (name: string) =>
        namespace.evaluate<{ addresses: string[] | string; ms: number }>(
            "client",
            `const start = performance.now();
            const found = await require("node:dns").promises.lookup(${JSON.stringify(name)}, { all: true })
                .then((all) => all.map(({ address }) => address), ({ code }) => code);
            return { addresses: found, ms: performance.now() - start };`,
        );
    /** The answer to a question of one type. */
    const resolve = (name: string, type: string) =>
        namespace.evaluate(
            "client",
            `return require("node:dns").promises.resolve(${JSON.stringify(name)}, ${JSON.stringify(type)})`,
        );

    it("finds a Service by its name, also with namespace and domain", async () => {
        const address = await namespace.get("service/plain", ".spec.clusterIP");
        for (const suffix of ["", `.${namespace.name}`, `.${namespace.name}.svc.cluster.local`])
            assert.deepEqual((await lookup(`plain${suffix}`)).addresses, [address]);
    });

    it("finds the pods behind a headless Service, and their port", async () => {
        const pod = await namespace.get("pod/server", ".status.podIP");
        // It knows a pod once that is ready and its endpoint is known.
        await waitFor("the pod behind the headless Service", async () =>
            Array.isArray((await lookup("headless")).addresses),
        );
        assert.deepEqual((await lookup("headless")).addresses, [pod]);
        const [{ port }] = (await resolve(`_http._tcp.headless.${namespace.name}.svc.cluster.local`, "SRV")) as [
            { port: number },
        ];
        assert.equal(port, 8080);
    });

    it("finds a name by an address", async () => {
        const address = await namespace.get("service/plain", ".spec.clusterIP");
        const reversed = address.split(".").reverse().join(".");
        assert.deepEqual(await resolve(`${reversed}.in-addr.arpa`, "PTR"), [
            `plain.${namespace.name}.svc.cluster.local`,
        ]);
    });

    for (const name of ["no-such-service", "example.com"]) {
        it(`says within a second that there is no ${name}`, async () => {
            const { addresses, ms } = await lookup(name);
            assert.equal(addresses, "ENOTFOUND");
            assert.ok(ms < 1000, `${ms} ms`);
        });
    }
});
