import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { Agent } from "node:https";
import { join } from "node:path";
import { connect, ConnectionOptions, TLSSocket } from "node:tls";

import { createAuthority, issueCertificate, PemPair } from "../../images/bootstrap/src/issue";
import { waitFor } from "../../tools/lib/process";
import { HttpsSidecar, Seen } from "../support/httpsSidecar";
import { NginxInstallation, requireNginx } from "../support/nginx";

const LIVE = "/.well-known/https-sidecar/livez";
const READY = "/.well-known/https-sidecar/readyz";

describe("nginx with the configuration of certificate-agent", function () {
    this.timeout(60_000);
    let nginx: NginxInstallation;
    let sidecar: HttpsSidecar;

    before(async function () {
        nginx = await requireNginx(this);
    });

    const handshake = (options: ConnectionOptions) =>
        new Promise<TLSSocket>((resolve, reject) => {
            const { ca, httpsPort: port } = sidecar;
            const socket = connect({
                host: "127.0.0.1",
                servername: "localhost",
                port,
                ca: ca.certificate,
                ...options,
            });
            socket.once("secureConnect", () => resolve(socket)).once("error", reject);
        });

    describe("by default", () => {
        before(async () => (sidecar = await HttpsSidecar.start(nginx)));
        after(() => sidecar.stop());

        it("serves the application over HTTP/1.1 and HTTP/2", async () => {
            const seen = await sidecar.seen("/path?q=1", { method: "POST", body: "text" });
            assert.deepEqual([seen.method, seen.url, seen.body], ["POST", "/path?q=1", "text"]);
            const session = connectHttp2(`https://localhost:${sidecar.httpsPort}`, { ca: sidecar.ca.certificate });
            const status = await new Promise((resolve, reject) => {
                session.on("error", reject);
                session
                    .request({ ":path": "/" })
                    .on("response", (headers) => resolve(headers[":status"]))
                    .resume();
            });
            session.close();
            assert.equal(status, 200);
        });

        it("tells the application who asks, and drops what the client claims", async () => {
            const spoofed = [
                "Forwarded",
                "X-Forwarded-For",
                "X-Forwarded-Host",
                "X-Forwarded-Proto",
                "X-Forwarded-Port",
            ];
            const dropped = ["X-Forwarded-Server", "X-Forwarded-Prefix", "X-Client-IP", "True-Client-IP", "Proxy"];
            const certificate = ["X-Client-Certificate-Verify", "X-Client-Certificate-Subject", "X_Forwarded_For"];
            const claims = [...spoofed, "X-Real-IP", ...dropped, ...certificate].map((name) => [name, "spoofed"]);
            const { headers } = await sidecar.seen("/", {
                headers: { host: "web.example:8443", ...Object.fromEntries(claims) },
            });
            assert.ok(!JSON.stringify(headers).includes("spoofed"), JSON.stringify(headers));
            assert.equal(headers.host, "web.example:8443");
            assert.equal(headers["x-real-ip"], "127.0.0.1");
            assert.equal(headers["x-forwarded-for"], "127.0.0.1");
            assert.equal(headers["x-forwarded-proto"], "https");
            assert.equal(headers["x-forwarded-host"], "web.example:8443");
            assert.equal(headers["x-forwarded-port"], String(sidecar.httpsPort));
            assert.equal(headers.forwarded, 'for=127.0.0.1;host="web.example:8443";proto=https');
            assert.equal(headers.connection, undefined);
        });

        it("refuses a host that would break out of a quoted header", async () => {
            assert.equal((await sidecar.ask("/", { headers: { host: 'a";for=10.0.0.1' } })).status, 400);
        });

        it("continues a valid trace and starts one otherwise, and logs its id as JSON", async () => {
            const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            assert.equal(
                (await sidecar.seen("/a?secret=1", { headers: { traceparent: given } })).headers.traceparent,
                given,
            );
            const invalid = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
            const begun = (await sidecar.seen("/b", { headers: { traceparent: invalid } })).headers
                .traceparent as string;
            assert.match(begun, /^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/);
            const logged = await waitFor("the log", () => {
                const lines = sidecar.nginx.accessLog;
                return lines.some(({ path }) => path === "/b") && lines;
            });
            assert.equal(logged.find(({ path }) => path === "/a")?.traceId, given.split("-")[1]);
            assert.equal(logged.find(({ path }) => path === "/b")?.traceId, begun.split("-")[1]);
            assert.ok(!sidecar.nginx.log.includes("secret=1"), "queries are not logged");
        });

        it("redirects plain HTTP by 308, and sends HSTS over HTTPS only", async () => {
            const { status, headers } = await sidecar.plain("/path?q=1");
            assert.equal(status, 308);
            assert.equal(headers.get("location"), `https://127.0.0.1:${sidecar.httpsPort}/path?q=1`);
            assert.equal(headers.get("strict-transport-security"), null);
            assert.equal((await sidecar.ask()).headers["strict-transport-security"], "max-age=31536000");
            const mistaken = await sidecar.plain("/path", sidecar.httpsPort);
            assert.equal(mistaken.status, 308, "plain HTTP on the HTTPS port");
            assert.equal(mistaken.headers.get("strict-transport-security"), null);
        });

        it("turns the application's redirects to itself into HTTPS", async () => {
            const { headers } = await sidecar.ask("/redirect");
            assert.equal(headers.location, `https://127.0.0.1:${sidecar.httpsPort}/next`);
        });

        it("refuses TLS 1.1, accepts 1.2 and 1.3, and hides its version", async () => {
            const old: ConnectionOptions = {
                minVersion: "TLSv1",
                maxVersion: "TLSv1.1",
                ciphers: "DEFAULT@SECLEVEL=0",
            };
            await assert.rejects(handshake(old), { code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
            for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
                const socket = await handshake({ minVersion: version, maxVersion: version });
                assert.equal(socket.getProtocol(), version);
                socket.destroy();
            }
            assert.equal((await sidecar.ask()).headers.server, "nginx");
        });

        it("resumes no session, which would show an old certificate", async () => {
            const first = await handshake({ maxVersion: "TLSv1.2" });
            const session = first.getSession();
            assert.ok(session);
            const second = await handshake({ maxVersion: "TLSv1.2", session });
            assert.equal(second.isSessionReused(), false);
            first.destroy();
            second.destroy();
        });

        it("passes websockets on, and no other upgrade", async () => {
            const upgrade = async (protocol: string) => {
                const socket = await handshake({});
                socket.write(
                    `GET /up HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
                );
                let text = "";
                socket.on("data", (data) => (text += data.toString()));
                await waitFor("the answer's head", () => text.includes("\r\n\r\n"));
                return { socket, text: () => text };
            };
            const websocket = await upgrade("websocket");
            assert.match(websocket.text(), /^HTTP\/1.1 101 /);
            websocket.socket.write("echo this");
            await waitFor("the echo", () => websocket.text().endsWith("echo this"));
            websocket.socket.destroy();
            const other = await upgrade("h2c");
            assert.match(other.text(), /^HTTP\/1.1 200 /);
            other.socket.destroy();
        });

        it("gives kept connections up, with whole answers, once the pod is about to end", async () => {
            const agent = new Agent({ keepAlive: true, maxSockets: 1 });
            const ask = () => sidecar.ask("/kept", { agent, method: "POST", body: "text" });
            const draining = join(sidecar.runDirectory, "draining");
            const [first, second] = [await ask(), await ask()];
            assert.equal(first.socket, second.socket, "the connection is kept until then");
            writeFileSync(draining, "");
            try {
                const last = await ask();
                assert.deepEqual([last.status, last.headers.connection], [200, "close"]);
                assert.equal((JSON.parse(last.body) as Seen).body, "text");
                assert.notEqual((await ask()).socket, last.socket);
            } finally {
                rmSync(draining);
                agent.destroy();
            }
        });

        it("is live by itself, and ready with certificate and application, whose page stays private", async () => {
            for (const [answer, expected] of [
                [200, 200],
                [302, 200],
                [404, 503],
                [500, 503],
            ] as const) {
                sidecar.readyStatus = answer;
                const { status, body } = await sidecar.plain(READY);
                assert.equal(status, expected, `the application answers ${answer}: ${body}`);
                assert.ok(!body.includes("private"));
                assert.equal((await sidecar.plain(LIVE)).status, 200);
            }
            sidecar.readyStatus = 200;
            assert.equal((await sidecar.plain(READY.replace("readyz", "application"))).status, 404, "internal only");
        });
    });

    it("finishes requests in flight on SIGQUIT", async () => {
        sidecar = await HttpsSidecar.start(nginx);
        try {
            const agent = new Agent({ keepAlive: true });
            await sidecar.ask("/", { agent });
            const slow = sidecar.ask("/slow", { agent });
            await waitFor("the request in flight", () => sidecar.slowRequests === 1);
            const [answer, code] = await Promise.all([slow, sidecar.nginx.quit("SIGQUIT")]);
            assert.deepEqual([answer.status, code], [200, 0]);
            agent.destroy();
        } finally {
            await sidecar.stop();
        }
    });

    describe("with other parameters", () => {
        afterEach(() => sidecar.stop());

        it("continues what a trusted proxy says", async () => {
            sidecar = await HttpsSidecar.start(nginx, { TRUSTED_PROXIES: "10.0.0.0/8,127.0.0.1" });
            const given = {
                "X-Forwarded-For": "6.6.6.6, 192.0.2.7, 10.1.1.1",
                "X-Forwarded-Host": "shop.example",
                Forwarded: "for=192.0.2.7",
            };
            const { headers } = await sidecar.seen("/", { headers: { host: "web.example", ...given } });
            assert.equal(headers["x-forwarded-for"], "6.6.6.6, 192.0.2.7, 10.1.1.1, 127.0.0.1");
            assert.equal(headers["x-real-ip"], "192.0.2.7", "the nearest that is not trusted");
            assert.equal(headers["x-forwarded-host"], "shop.example");
            assert.equal(headers.forwarded, 'for=192.0.2.7, for=127.0.0.1;host="web.example";proto=https');
        });

        it("sends no HSTS at 0s, limits bodies and refuses TLS 1.2 as asked", async () => {
            sidecar = await HttpsSidecar.start(nginx, { HSTS_MAX_AGE: "0s", MAX_BODY_SIZE: "1k", MINIMUM_TLS: "1.3" });
            assert.equal(
                (await sidecar.ask()).headers["strict-transport-security"],
                "max-age=1",
                "the application's own",
            );
            assert.equal((await sidecar.ask("/", { method: "POST", body: "x".repeat(1000) })).status, 200);
            assert.equal((await sidecar.ask("/", { method: "POST", body: "x".repeat(1001) })).status, 413);
            await assert.rejects(handshake({ maxVersion: "TLSv1.2" }), {
                code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
            });
        });

        for (const mode of ["optional", "required"] as const) {
            it(`asks for client certificates: ${mode}`, async () => {
                const [known, unknown] = [
                    await createAuthority("known", 86_400_000),
                    await createAuthority("unknown", 86_400_000),
                ];
                const request = {
                    dnsNames: [],
                    ipAddresses: [],
                    commonName: "alice",
                    validity: 3_600_000,
                    usages: ["client auth"] as const,
                };
                sidecar = await HttpsSidecar.start(nginx, { CLIENT_CERTIFICATE: mode }, known);
                const claims = { "X-Client-Certificate-Subject": "CN=root", "X-Client-Certificate-Verify": "SUCCESS" };
                const askWith = async (ca?: PemPair) => {
                    const pair = ca && (await issueCertificate(ca, request));
                    const options = pair ? { cert: pair.certificate, key: pair.key } : {};
                    return sidecar.ask("/", { ...options, headers: claims });
                };
                const good = await askWith(known);
                assert.equal(good.status, 200);
                const { headers } = JSON.parse(good.body);
                assert.equal(headers["x-client-certificate-verify"], "SUCCESS");
                assert.equal(headers["x-client-certificate-subject"], "CN=alice");
                assert.match(headers["x-client-certificate-fingerprint"], /^[0-9a-f]{40}$/);

                assert.equal((await askWith(unknown)).status, 400, "of an unknown CA");
                const none = await askWith();
                assert.equal(none.status, mode === "required" ? 400 : 200);
                if (mode === "required") return;
                const seen = JSON.parse(none.body).headers;
                assert.equal(seen["x-client-certificate-verify"], "NONE");
                assert.equal(seen["x-client-certificate-subject"], undefined);
            });
        }
    });
});
