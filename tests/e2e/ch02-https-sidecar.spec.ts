import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { addHttpsSidecar } from "../../components/single-node";
import { Authority } from "../../tools/cluster/local/certificates";
import { waitFor } from "../../tools/lib/process";
import { ClientPod } from "../support/clients";
import { askHttps, connect, loadHttps } from "../support/podHttps";
import { keepEvidenceOfFailures, Scenario } from "../support/scenario";
import { digests } from "../support/testCluster";

const SECRET = "legacy-certificate";
/** Prints the addresses at which something listens on port 8080 (1F90), as the kernel writes them. */
const LISTENING = `const { readFileSync } = require("fs"), rows = ["tcp", "tcp6"].flatMap((f) => readFileSync("/proc/net/" + f, "utf8").trim().split("\\n").slice(1));
    console.log(JSON.stringify(rows.map((row) => row.trim().split(/ +/)).filter((f) => f[3] === "0A" && f[1].endsWith(":1F90")).map((f) => f[1])))`;

describe("ch02-https-sidecar", function () {
    this.timeout(300_000);
    let scenario: Scenario;
    let client: ClientPod;
    let host: string;
    let authorities: string;
    const scratch = mkdtempSync(join(tmpdir(), "dp-certificates-"));
    keepEvidenceOfFailures(() => scenario);

    before(async () => {
        [scenario, client] = await Promise.all([
            Scenario.deploy("ch02-https-sidecar"),
            ClientPod.start(digests()["legacy-service"]),
        ]);
        host = `legacy.${scenario.namespace}.svc`;
        authorities = (await secret())["ca.crt"];
    });
    after(async () => {
        rmSync(scratch, { recursive: true, force: true });
        await client?.stop();
    });

    /** The certificate's Secret, decoded. */
    async function secret(): Promise<Record<string, string>> {
        const data = JSON.parse(await scenario.kubectl(["get", "secret", SECRET, "-o", "jsonpath={.data}"])) as Record<
            string,
            string
        >;
        return Object.fromEntries(
            Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]),
        );
    }

    async function deployment(): Promise<string> {
        return (await scenario.kubectl(["get", "deployments", "-o", "jsonpath={.items[0].metadata.name}"])).trim();
    }

    async function podAddresses(): Promise<string[]> {
        const selector = ["-l", "app.kubernetes.io/name=https-sidecar", "--field-selector=status.phase=Running"];
        return (await scenario.kubectl(["get", "pods", ...selector, "-o", "jsonpath={.items[*].status.podIP}"]))
            .trim()
            .split(" ");
    }

    /** A certificate for the service from an authority of the test's own. */
    async function issue(name: string) {
        const authority = await Authority.open(scratch, "own-ca");
        const files = await authority.issue(name, { commonName: "legacy", server: { dns: [host], ip: [] } });
        const read = (file: string) => readFileSync(file, "utf8");
        return { ca: read(authority.files.certificate), certificate: read(files.certificate), key: read(files.key) };
    }

    function replaceSecret(certificate: string, key: string): Promise<string> {
        const base64 = (text: string) => Buffer.from(text).toString("base64");
        const patch = JSON.stringify({ data: { "tls.crt": base64(certificate), "tls.key": base64(key) } });
        return scenario.kubectl(["patch", "secret", SECRET, "--type=merge", "-p", patch]);
    }

    it("from another pod the legacy port refuses, and HTTPS answers with the chosen certificate", async () => {
        const addresses = await podAddresses();
        assert.equal(addresses.length, 2);
        for (const address of addresses) assert.notEqual(await connect(client, address, 8080), "open");
        // Not by grace of a NetworkPolicy alone: the application listens on localhost (0100007F) and nowhere else.
        const listening = await scenario.kubectl([
            "exec",
            "deployment/" + (await deployment()),
            "-c",
            "app",
            "--",
            "/nodejs/bin/node",
            "-e",
            LISTENING,
        ]);
        assert.deepEqual(JSON.parse(listening), ["0100007F:1F90"]);
        const answer = await askHttps(client, host, { ca: authorities });
        assert.equal(answer.status, 200);
        assert.equal(answer.serial, new X509Certificate((await secret())["tls.crt"]).serialNumber);
    });

    it("plain HTTP redirects, HTTPS carries HSTS, and TLS below 1.2 is refused", async () => {
        const { headers } = await askHttps(client, host, { ca: authorities });
        assert.match(headers["strict-transport-security"], /^max-age=31536000/);
        const redirect = await client.run<{ status: number; location: string; hsts: string | null }>(
            `const r = await fetch("http://" + p.host + "/some/path?q=1", { redirect: "manual" });
            return { status: r.status, location: r.headers.get("location"), hsts: r.headers.get("strict-transport-security") };`,
            { host },
        );
        assert.deepEqual(redirect, { status: 308, location: `https://${host}/some/path?q=1`, hsts: null });
        // At security level 0 this client does offer TLS 1.1, so that it is the server that refuses.
        const old = askHttps(client, host, { ca: authorities, maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" });
        await assert.rejects(old, /alert protocol version|ALERT_PROTOCOL_VERSION/i);
        assert.equal((await askHttps(client, host, { ca: authorities, maxVersion: "TLSv1.2" })).protocol, "TLSv1.2");
    });

    it("forwarding headers reach the application; a client's own are dropped", async () => {
        const forged = {
            "x-forwarded-for": "6.6.6.6",
            "x-forwarded-proto": "http",
            "x-real-ip": "6.6.6.6",
            forwarded: "for=6.6.6.6",
        };
        const { body } = await askHttps(client, host, { ca: authorities, headers: forged });
        const { headers } = JSON.parse(body) as { headers: Record<string, string> };
        assert.equal(headers["x-forwarded-for"], client.address);
        assert.equal(headers["x-real-ip"], client.address);
        assert.equal(headers["x-forwarded-proto"], "https");
        assert.equal(headers["x-forwarded-host"], host);
        assert.doesNotMatch(body, /6\.6\.6\.6/);
    });

    it("a replaced Secret is served within 60 s, without one failed request", async () => {
        const next = await issue("rotated");
        const serial = new X509Certificate(next.certificate).serialNumber;
        const load = loadHttps(client, host, authorities + next.ca, 25);
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        const replaced = Date.now();
        await replaceSecret(next.certificate, next.key);
        const { failures, requests, serials } = await load;
        assert.deepEqual(failures, []);
        assert.ok(requests > 200, `${requests} requests`);
        assert.ok(serials[serial], `the new certificate was served; served were ${Object.keys(serials).join(", ")}`);
        assert.ok(serials[serial] - replaced < 60_000);
        for (const address of await podAddresses()) {
            // Each pod has it, not only the one that a request happened to meet.
            const shown = await client.run<string>(
                `return new Promise((resolve, reject) => { const s = require("node:tls").connect({ host: p.address, port: 8443, rejectUnauthorized: false },
                    () => { resolve(s.getPeerCertificate().serialNumber); s.destroy(); }).on("error", reject); });`,
                { address },
            );
            assert.equal(shown, serial);
        }
        authorities += next.ca;
        console.log(
            `      new certificate served ${((serials[serial] - replaced) / 1000).toFixed(1)} s after the Secret changed; ${requests} requests, 0 failed`,
        );
    });

    it("drill: a certificate without its key is refused, the last good one stays, and a metric says so", async () => {
        const [good, other] = [await issue("rotated"), await issue("other")];
        await replaceSecret(other.certificate, good.key);
        const pod = (await podAddresses())[0];
        await waitFor(
            "the rejection in the metrics",
            async () => {
                const metrics = await client.run<string>(
                    `return (await fetch("http://" + p.pod + ":8082/metrics")).text();`,
                    { pod },
                );
                return /^certificate_rejected_total\{.*\} [1-9]/m.test(metrics);
            },
            { timeoutMs: 30_000 },
        );
        const { serial, status } = await askHttps(client, host, { ca: authorities });
        assert.equal(status, 200);
        assert.equal(serial, new X509Certificate(good.certificate).serialNumber);
        await replaceSecret(good.certificate, good.key);
    });

    it("drill: pods are deleted under load, and no request fails", async () => {
        const load = loadHttps(client, host, authorities, 35);
        const pods = (
            await scenario.kubectl(["get", "pods", "-l", "app.kubernetes.io/name=https-sidecar", "-o", "name"])
        )
            .trim()
            .split("\n");
        await scenario.kubectl(["delete", "--wait=false", pods[0]]);
        await scenario.kubectl(["wait", "--for=delete", pods[0], "--timeout=120s"]);
        const { failures, requests } = await load;
        assert.deepEqual(failures, []);
        assert.ok(requests > 200, `${requests} requests`);
        await scenario.kubectl([
            "wait",
            "--for=condition=Ready",
            "pod",
            "-l",
            "app.kubernetes.io/name=https-sidecar",
            "--timeout=120s",
        ]);
    });

    it("attaches to a Job, which then completes", async () => {
        const images = digests();
        // A Job that serves on localhost, asks itself through the sidecar, and is done.
        const work = `require("node:http").createServer((q, r) => r.end("ready")).listen(8080, "127.0.0.1");
            const https = require("node:https"), ask = () => https.get({ host: "127.0.0.1", port: 8443, path: "/", rejectUnauthorized: false },
                (r) => (r.statusCode === 200 ? process.exit(0) : setTimeout(ask, 300))).on("error", () => setTimeout(ask, 300)); ask();`;
        const pod = addHttpsSidecar(
            {
                restartPolicy: "Never",
                automountServiceAccountToken: false,
                securityContext: {
                    runAsNonRoot: true,
                    runAsUser: 65532,
                    runAsGroup: 65532,
                    fsGroup: 65532,
                    seccompProfile: { type: "RuntimeDefault" },
                },
                containers: [
                    {
                        name: "work",
                        image: images["legacy-service"],
                        command: ["/nodejs/bin/node", "-e", work],
                        securityContext: {
                            allowPrivilegeEscalation: false,
                            capabilities: { drop: ["ALL"] },
                            readOnlyRootFilesystem: true,
                        },
                        resources: { requests: { cpu: "20m", memory: "64Mi" }, limits: { memory: "128Mi" } },
                    },
                ],
            },
            { agentImage: images["certificate-agent"], secretName: SECRET },
        );
        const job = {
            apiVersion: "batch/v1",
            kind: "Job",
            metadata: { name: "https-job" },
            spec: { backoffLimit: 0, template: { spec: pod } },
        };
        await scenario.kubectl(["apply", "-f", "-"], JSON.stringify(job));
        await scenario.kubectl(["wait", "--for=condition=Complete", "job/https-job", "--timeout=120s"]);
        await scenario.kubectl(["delete", "job", "https-job"]);
    });

    it("asks for a client certificate when told to, and tells the application who it was", async () => {
        const authority = await Authority.open(scratch, "client-ca");
        const files = await authority.issue("alice", { commonName: "alice" });
        const read = (file: string) => readFileSync(file, "utf8");
        await scenario.up({ clientCertificate: "required", clientCa: read(authority.files.certificate) });
        const without = await askHttps(client, host, { ca: authorities });
        assert.equal(without.status, 400);
        const alice = { ca: authorities, cert: read(files.certificate), key: read(files.key) };
        const { status, body } = await askHttps(client, host, {
            ...alice,
            headers: { "x-client-certificate-subject": "CN=mallory" },
        });
        assert.equal(status, 200);
        assert.match(body, /CN=alice/);
        assert.doesNotMatch(body, /mallory/);
    });

    it("changes nothing when it is brought up again, and leaves nothing when it is destroyed", async () => {
        const { same, ...others } = await scenario.up();
        assert.ok(same > 0);
        assert.deepEqual(others, {});
        await scenario.destroy();
    });
});
