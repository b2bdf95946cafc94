import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { Registry } from "prom-client";

import { createAuthority, PemPair } from "../../images/bootstrap/src/issue";
import { CertificateAgent } from "../../images/certificate-agent/src/agent";
import { buildApp } from "../../images/certificate-agent/src/app";
import { checkKeyPair, KeyPair, Material, RejectedCertificate } from "../../images/certificate-agent/src/certificate";
import { declaration, NginxConfig } from "../../images/certificate-agent/src/declaration";
import { renderNginxConfig } from "../../images/certificate-agent/src/nginx";
import { Publisher } from "../../images/certificate-agent/src/publisher";
import { apiSource } from "../../images/certificate-agent/src/sources";
import { parseConfig } from "../../images/kit";
import { run, waitFor } from "../../tools/lib/process";
import { serverCertificate } from "../support/httpsSidecar";
import { KubernetesApi } from "../support/kubernetesApi";

const DAY = 86_400_000;

const materialOf = ({ certificate, key }: PemPair): Material => ({
    certificate: Buffer.from(certificate),
    key: Buffer.from(key),
});

describe("certificate-agent", () => {
    let directory: string;
    let ca: PemPair;
    let good: Material;

    before(async () => {
        ca = await createAuthority("test", 400 * DAY, new Date(Date.now() - 20 * DAY));
        good = materialOf(await serverCertificate(ca));
    });
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "certificate-agent-"))));
    afterEach(() => rmSync(directory, { recursive: true }));

    const refusal = (material: Material | undefined) => {
        try {
            checkKeyPair(material);
        } catch (error) {
            if (error instanceof RejectedCertificate) return error.reason;
            throw error;
        }
        return "none";
    };

    describe("checks", () => {
        it("accept a certificate with its chain, and name its version after both files", async () => {
            assert.equal(refusal(good), "none");
            assert.equal(
                refusal({ ...good, certificate: Buffer.from(String(good.certificate) + ca.certificate) }),
                "none",
            );
            assert.match(checkKeyPair(good).version, /^[0-9a-f]{16}$/);
            const other = materialOf(await serverCertificate(ca));
            assert.notEqual(checkKeyPair(other).version, checkKeyPair(good).version);
        });

        it("refuse what a server could not use, each with its reason", async () => {
            const other = materialOf(await serverCertificate(ca));
            const past = materialOf(await serverCertificate(ca, new Date(Date.now() - 2 * DAY)));
            const future = materialOf(await serverCertificate(ca, new Date(Date.now() + DAY)));
            const weak = "req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.crt -subj /CN=weak -days 3";
            await run("openssl", weak.split(" "), { cwd: directory });
            const read = (file: string) => readFileSync(join(directory, file));
            assert.deepEqual(
                {
                    absent: refusal(undefined),
                    noKey: refusal({ certificate: good.certificate }),
                    emptyCertificate: refusal({ ...good, certificate: Buffer.alloc(0) }),
                    garbage: refusal({ ...good, certificate: Buffer.from("garbage") }),
                    cut: refusal({ ...good, certificate: good.certificate!.subarray(0, 300) }),
                    keyCut: refusal({ ...good, key: good.key!.subarray(0, 100) }),
                    otherKey: refusal({ ...good, key: other.key }),
                    // The leaf does not come first.
                    reversed: refusal({ ...good, certificate: Buffer.from(ca.certificate + String(good.certificate)) }),
                    past: refusal(past),
                    future: refusal(future),
                    weak: refusal({ certificate: read("weak.crt"), key: read("weak.key") }),
                },
                {
                    absent: "missing",
                    noKey: "incomplete",
                    emptyCertificate: "incomplete",
                    garbage: "unparsable",
                    cut: "unparsable",
                    keyCut: "unparsable",
                    otherKey: "key_mismatch",
                    reversed: "key_mismatch",
                    past: "expired",
                    future: "not_yet_valid",
                    weak: "unusable",
                },
            );
        });
    });

    describe("publishing", () => {
        it("makes files for the group alone, keeps the version before and removes older ones", async () => {
            const publisher = new Publisher(directory);
            const versions: string[] = [];
            for (let count = 0; count < 3; count++) {
                const pair = checkKeyPair(materialOf(await serverCertificate(ca)));
                versions.push(pair.version);
                publisher.publish(pair);
                assert.equal(readlinkSync(join(directory, "certificates/current")), pair.version);
            }
            const entries = readdirSync(join(directory, "certificates"));
            assert.deepEqual(new Set(entries), new Set([...versions.slice(1), "current"]));
            const mode = (path: string) => statSync(join(directory, "certificates/current", path)).mode & 0o777;
            assert.deepEqual([mode("."), mode("tls.crt"), mode("tls.key")], [0o750, 0o640, 0o640]);
        });

        it("never shows a reader half a file or parts of two versions", async () => {
            // The reader resolves the link once, as nginx does in a handshake.
            const reader = `
                const fs = require("node:fs"), seen = new Set(), problems = [];
                process.on("message", () => { process.send({ seen: seen.size, problems }); process.exit(); });
                (function read() {
                    try {
                        const version = fs.realpathSync("certificates/current");
                        const [crt, key] = ["tls.crt", "tls.key"].map((file) => fs.readFileSync(version + "/" + file, "utf8"));
                        if (crt.length !== 100000 || key !== crt) problems.push(crt.length + " " + key.length);
                        seen.add(crt);
                    } catch (error) {
                        // A reader that was paused for two whole publications; none of them is half there.
                        if (error.code !== "ENOENT") problems.push(error.message);
                    }
                    setImmediate(read);
                })();`;
            const publisher = new Publisher(directory);
            const pair = (version: number) => {
                const content = Buffer.alloc(100_000, String(version % 10));
                return { version: `v${version}`, certificate: content, key: content } as KeyPair;
            };
            publisher.publish(pair(0));
            const child = spawn(process.execPath, ["-e", reader], {
                cwd: directory,
                stdio: ["ignore", "inherit", "inherit", "ipc"],
            });
            for (let version = 1; version <= 300; version++) {
                publisher.publish(pair(version));
                await delay(2);
            }
            child.send("report");
            const [report] = (await once(child, "message")) as [{ seen: number; problems: string[] }];
            assert.deepEqual(report.problems, []);
            assert.ok(report.seen > 3, `the reader saw ${report.seen} contents`);
        });
    });

    describe("following a source", () => {
        let registry: Registry;
        let agent: CertificateAgent;
        let log: string[];

        beforeEach(() => {
            registry = new Registry();
            log = [];
            const write = (first: unknown, second?: string) => log.push(second ?? String(first));
            agent = new CertificateAgent(
                new Publisher(directory),
                { info: write, warn: write, error: write } as never,
                registry,
            );
        });

        const metric = async (name: string) => {
            const line = (await registry.metrics()).split("\n").find((one) => one.startsWith(`${name} `));
            return line === undefined ? undefined : Number(line.slice(name.length));
        };

        it("counts and shows what is in service, and what is not and why", async () => {
            assert.match(agent.notReadyReason()!, /no certificate was read yet/);
            assert.equal(await metric("certificate_not_after_timestamp_seconds"), undefined);
            agent.offer({ ...good, key: Buffer.from("x") });
            assert.match(agent.notReadyReason()!, /tls.key/);
            agent.offer(good);
            const { version, serial, notAfter } = checkKeyPair(good);
            assert.equal(agent.notReadyReason(), undefined);
            agent.offer(undefined);
            assert.equal(agent.notReadyReason(), undefined, "the last good one stays in service");
            assert.match(
                log.at(-1)!,
                new RegExp(`rejected: the Secret does not exist; version ${version} stays in service`),
            );
            agent.offer(good);
            assert.equal(await metric("certificate_reloads_total"), 1, "the same content is no new version");
            assert.equal(await metric(`certificate_applied_info{version="${version}",serial="${serial}"}`), 1);
            assert.equal(await metric("certificate_not_after_timestamp_seconds"), notAfter.getTime() / 1000);
            assert.equal(await metric('certificate_rejected_total{reason="missing"}'), 1);
            assert.equal(await metric('certificate_rejected_total{reason="unparsable"}'), 1);
            assert.equal(await metric('certificate_rejected_total{reason="expired"}'), 0);
            assert.ok(!log.join().includes("PRIVATE KEY"));
        });

        it("puts a certificate into service when its time comes", async () => {
            const soon = new Date(Date.now() + 5 * 60_000 + 1500);
            agent.offer(materialOf(await serverCertificate(ca, soon)));
            assert.equal(await metric('certificate_rejected_total{reason="not_yet_valid"}'), 1);
            await waitFor("the certificate in service", () => agent.notReadyReason() === undefined, {
                timeoutMs: 10_000,
            });
        }).timeout(15_000);

        it("takes over what it published before a restart", () => {
            agent.offer(good);
            const restarted = new CertificateAgent(
                new Publisher(directory),
                { warn: () => undefined } as never,
                new Registry(),
            );
            assert.equal(restarted.notReadyReason(), undefined);
        });

        it("applies a change of the Secret in the API within two seconds", async () => {
            const api = await KubernetesApi.start();
            const client = api.client();
            const stopped = new AbortController();
            const secret = ({ certificate, key }: Material) => ({
                data: { "tls.crt": certificate!.toString("base64"), "tls.key": key!.toString("base64") },
            });
            const errors: Error[] = [];
            const running = agent.run(
                apiSource(client, "web-tls", (error) => errors.push(error)),
                stopped.signal,
            );
            await waitFor("the missing Secret", () => /does not exist/.test(agent.notReadyReason()!));
            for (const material of [good, materialOf(await serverCertificate(ca))]) {
                const { version } = checkKeyPair(material);
                const start = performance.now();
                api.put("secrets/web-tls", secret(material));
                const current = join(directory, "certificates/current");
                await waitFor("the version", () => readlinkSync(current) === version, { timeoutMs: 5000, everyMs: 5 });
                assert.ok(performance.now() - start < 2000);
            }
            assert.deepEqual(errors, []);
            stopped.abort();
            await running;
            await client.close();
            await api.stop();
        });
    });

    describe("configuration", () => {
        const configOf = (env: Record<string, string>) => parseConfig(declaration, { RUN_DIR: directory, ...env });

        it("requires the Secret's name for the API", () => {
            assert.throws(
                () => buildApp(configOf({ SOURCE: "api", LOG_LEVEL: "silent" })),
                /SECRET_NAME is not set; give the name/,
            );
        });

        it("refuses values that would become directives of nginx", () => {
            const cases: Record<string, string> = {
                READINESS_PATH: "/ready; return 200",
                LISTEN_ADDRESSES: "::",
                TRUSTED_PROXIES: "10.0.0.0/33",
                RUN_DIR: "/run/$http_host",
                CLIENT_CA_FILE: '/ca".crt',
                NGINX_VERSION: "latest",
            };
            for (const [name, value] of Object.entries(cases)) {
                assert.throws(() => configOf({ [name]: value }), new RegExp(`^ConfigurationError: ${name} is "`));
            }
        });

        it("switches HTTP/2 on in the way of nginx's version", () => {
            const render = (version: string) => renderNginxConfig(configOf({ NGINX_VERSION: version }) as NginxConfig);
            assert.match(render("1.26"), /listen 0\.0\.0\.0:8443 ssl default_server;\n +http2 on;/);
            assert.match(render("1.25.1"), /http2 on;/);
            assert.match(render("1.25.0"), /listen 0\.0\.0\.0:8443 ssl http2 default_server;/);
            assert.doesNotMatch(render("1.22.1"), /http2 on/);
        });

        it("listens on IPv6 only when asked", () => {
            assert.match(
                renderNginxConfig(configOf({ LISTEN_ADDRESSES: "0.0.0.0,[::]" })),
                /listen \[::\]:8081 default_server;/,
            );
            assert.doesNotMatch(renderNginxConfig(configOf({})), /\[::\]:/);
        });
    });
});
