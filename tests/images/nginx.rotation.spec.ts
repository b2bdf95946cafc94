import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { PemPair } from "../../images/bootstrap/src/issue";
import { waitFor } from "../../tools/lib/process";
import { CLIENTS, HttpsLoad } from "../support/httpsLoad";
import { HttpsSidecar, serverCertificate } from "../support/httpsSidecar";
import { NginxInstallation, requireNginx } from "../support/nginx";

const LIVE = "/.well-known/https-sidecar/livez";
const READY = "/.well-known/https-sidecar/readyz";

describe("certificates of certificate-agent in nginx", function () {
    this.timeout(60_000);
    let nginx: NginxInstallation;
    let sidecar: HttpsSidecar;

    before(async function () {
        nginx = await requireNginx(this);
    });

    describe("rotation", () => {
        let load: HttpsLoad;

        beforeEach(async () => {
            sidecar = await HttpsSidecar.start(nginx);
            load = new HttpsLoad(sidecar);
        });
        afterEach(async () => {
            await load.stop();
            await sidecar.stop();
        });

        const serves = async ({ certificate }: PemPair) => {
            const { serialNumber } = new X509Certificate(certificate);
            await waitFor(`serial ${serialNumber}`, () => load.serial === serialNumber, {
                timeoutMs: 15_000,
                everyMs: 20,
            });
            const requests = load.kept + load.fresh;
            await waitFor("further requests", () => load.kept + load.fresh > requests + 20);
        };

        it("under load fails no request and closes no connection", async () => {
            for (let round = 0; round < 4; round++) {
                const next = await serverCertificate(sidecar.ca);
                sidecar.mount(next);
                await serves(next);
            }
            await load.stop();
            assert.deepEqual(load.failures, []);
            assert.equal(load.keptConnections.size, CLIENTS, "one connection for each client, all the time");
            assert.ok(load.kept > 100 && load.fresh > 20, `${load.kept} and ${load.fresh} requests`);
            assert.equal(await sidecar.metric("certificate_reloads_total"), 5);
        });

        it("keeps the old version while files are half-written or wrong", async () => {
            const before = (await sidecar.ask()).serial;
            const next = await serverCertificate(sidecar.ca);
            // Without the kubelet's `..data`: one file after the other.
            writeFileSync(join(sidecar.secretDirectory, "tls.crt"), next.certificate.slice(0, 300));
            writeFileSync(join(sidecar.secretDirectory, "tls.key"), next.key);
            unlinkSync(join(sidecar.secretDirectory, "..data"));
            const rejected = (reason: string) =>
                waitFor(`rejection as ${reason}`, async () => {
                    return ((await sidecar.metric(`certificate_rejected_total{reason="${reason}"}`)) ?? 0) > 0;
                });
            await rejected("unparsable");
            writeFileSync(join(sidecar.secretDirectory, "tls.crt"), (await serverCertificate(sidecar.ca)).certificate);
            await rejected("key_mismatch");
            assert.equal((await sidecar.ask()).serial, before);
            assert.equal((await sidecar.plain("/readyz", sidecar.agentPort)).status, 200, "the last good one serves");
            writeFileSync(join(sidecar.secretDirectory, "tls.crt"), next.certificate);
            await serves(next);
            await load.stop();
            assert.deepEqual(load.failures, []);
        });

        it("goes on after a restart of the agent, and serves without it", async () => {
            await sidecar.stopAgent();
            assert.equal((await sidecar.ask()).status, 200);
            const next = await serverCertificate(sidecar.ca);
            sidecar.mount(next);
            await sidecar.startAgent(nginx);
            await serves(next);
            await load.stop();
            assert.deepEqual(load.failures, []);
            const files = readdirSync(join(sidecar.runDirectory, "certificates"));
            assert.equal(files.length, 3, `the link, the version and the one before: ${files.join(" ")}`);
        });
    });

    it("evaluates the version once per handshake, so that certificate and key belong together", async () => {
        sidecar = await HttpsSidecar.prepare();
        try {
            await sidecar.startAgent(nginx);
            // Every evaluation gives one of two versions by chance: two in one handshake would mix them.
            const serials = new Set<string>();
            for (const version of ["a", "b"]) {
                const { certificate, key } = await serverCertificate(sidecar.ca);
                const directory = join(sidecar.runDirectory, "certificates", version);
                mkdirSync(directory);
                writeFileSync(join(directory, "tls.crt"), certificate);
                writeFileSync(join(directory, "tls.key"), key);
            }
            const script = join(sidecar.runDirectory, "sidecar.js");
            const chance = 'return Math.random() < 0.5 ? "a" : "b";';
            writeFileSync(script, readFileSync(script, "utf8").replace(/return fs\.realpathSync.*;/, chance));
            await sidecar.startNginx(nginx);
            for (let count = 0; count < 40; count++) serials.add((await sidecar.ask()).serial);
            assert.equal(serials.size, 2, "both versions were served");
        } finally {
            await sidecar.stop();
        }
    });

    it("is not ready and refuses handshakes before the first certificate, and serves from then on", async () => {
        sidecar = await HttpsSidecar.prepare();
        try {
            await sidecar.startAgent(nginx);
            await sidecar.startNginx(nginx);
            assert.equal((await sidecar.plain("/readyz", sidecar.agentPort)).status, 503);
            assert.equal((await sidecar.plain(READY)).status, 503);
            assert.equal((await sidecar.plain(LIVE)).status, 200);
            await assert.rejects(sidecar.ask(), /SSL|TLS|socket|ECONNRESET/);
            sidecar.mount(await serverCertificate(sidecar.ca));
            await waitFor("readiness", async () => (await sidecar.plain(READY)).status === 200);
            assert.equal((await sidecar.ask()).status, 200);
        } finally {
            await sidecar.stop();
        }
    });
});
