import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";

import { ClusterLayout, findCluster, network } from "../../tools/cluster/local/layout";
import { inNamespace } from "../../tools/cluster/local/network";
import { CommandError, run } from "../../tools/lib/process";
import { testEnvironment } from "../support/testCluster";
import { skipUnlessFromModules } from "./support/testNamespace";

describe("access to the cluster's own parts", function () {
    this.timeout(60_000);
    let cluster: ClusterLayout;
    let credentials: string;

    before(function () {
        skipUnlessFromModules(this);
        cluster = findCluster(testEnvironment().target.name)!;
        credentials = join(cluster.directory, "credentials");
    });

    /** Status of a request by who is given, or by nobody. */
    function status(address: string, port: number, path: string, client?: string): Promise<number> {
        const pem = client && {
            cert: readFileSync(join(credentials, `${client}.crt`)),
            key: readFileSync(join(credentials, `${client}.key`)),
        };
        const ca = readFileSync(join(credentials, "cluster-ca.crt"));
        return new Promise((resolve, reject) => {
            request({ host: address, port, path, ca, ...pem, agent: false, timeout: 10_000 }, (response) => {
                response.resume();
                resolve(response.statusCode!);
            })
                .on("timeout", () => reject(new Error(`${address}:${port} does not answer`)))
                .on("error", reject)
                .end();
        });
    }

    it("API: nobody without a name, and a name is not enough", async () => {
        const api = (path: string, client?: string) => status(cluster.nodes[0].address, network.apiPort, path, client);
        for (const path of ["/api", "/version", "/readyz", "/api/v1/namespaces/kube-system/secrets"])
            assert.equal(await api(path), 401, path);
        assert.equal(await api("/api/v1/namespaces/kube-system/secrets", "admin"), 200);
        assert.equal(await api("/api/v1/namespaces/kube-system/secrets", "volume-provisioner"), 403);
    });

    it("kubelets: the API server, not anonymous requests nor other clients", async () => {
        for (const { address } of cluster.nodes) {
            assert.equal(await status(address, 10250, "/pods"), 401);
            assert.equal(await status(address, 10250, "/pods", "proxy"), 403);
            assert.equal(await status(address, 10250, "/pods", "api-to-kubelet"), 200);
        }
    });

    it("kubelets: nothing without TLS", async () => {
        for (const { address } of cluster.nodes)
            await assert.rejects(
                fetch(`http://${address}:10255/pods`, { signal: AbortSignal.timeout(5_000) }),
                TypeError,
            );
    });

    it("etcd: its own clients only, which those of the API are not", async () => {
        /** Asks etcd where it listens: inside node 1. */
        const health = async (client?: string) => {
            const options = { port: 2379, path: "/health", files: { ca: "etcd-ca.crt" } as Record<string, string> };
            if (client) Object.assign(options.files, { cert: `${client}.crt`, key: `${client}.key` });
            const source = `const { files, ...options } = ${JSON.stringify(options)};
for (const [name, file] of Object.entries(files))
    options[name] = require("node:fs").readFileSync(${JSON.stringify(credentials)} + "/" + file);
require("node:https").get({ host: "127.0.0.1", ...options }, (response) => response.pipe(process.stdout))
    .on("error", ({ code, message }) => { console.error(code, message); process.exit(1); });`;
            const [command, ...args] = inNamespace(cluster.nodes[0], [process.execPath, "-e", source]);
            return (await run(command, args, { timeout: 20_000 })).stdout;
        };
        assert.match(await health("api-to-etcd"), /"health":"true"/);
        const refused = (pattern: RegExp) => (error: CommandError) => pattern.test(error.stderr);
        await assert.rejects(health(), refused(/CERTIFICATE_REQUIRED|BAD_CERTIFICATE/));
        await assert.rejects(health("admin"), refused(/BAD_CERTIFICATE|UNKNOWN_CA|ECONNRESET/));
    });
});
