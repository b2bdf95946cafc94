import { ClientPod } from "./clients";

/** One HTTPS answer, as a pod got it. */
export interface PodAnswer {
    status: number;
    headers: Record<string, string>;
    body: string;
    /** Serial number of the certificate that was shown. */
    serial: string;
    protocol: string;
}

/** What came of a load. */
export interface LoadResult {
    requests: number;
    failures: string[];
    /** When each certificate was first shown to a new connection, in milliseconds since 1970, by serial. */
    serials: Record<string, number>;
}

/** How a request is made. */
export interface AskOptions {
    path?: string;
    headers?: Record<string, string>;
    ca?: string;
    cert?: string;
    key?: string;
    /** Highest TLS version that the client offers. */
    maxVersion?: "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
    /** Only these ciphers; needed to offer TLS 1.1 at all. */
    ciphers?: string;
}

/** Source of `ask(options)` inside the pod: one request on a connection of its own, unless an agent is given. */
const ASK = `const https = require("node:https");
const ask = ({ host, port = 443, path = "/headers", agent = false, method = "GET", body, ...options }) => new Promise((resolve, reject) => {
    const request = https.request({ host, port, path, agent, method, servername: host, timeout: 10000,
        minVersion: options.maxVersion === "TLSv1.1" ? "TLSv1" : undefined, ...options }, (response) => {
        const { socket } = response, serial = socket.getPeerCertificate().serialNumber, protocol = socket.getProtocol();
        let text = "";
        response.setEncoding("utf8").on("data", (part) => (text += part)).on("error", reject)
            .on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: text, serial, protocol }));
    });
    request.on("error", reject).on("timeout", () => request.destroy(new Error("no answer within 10 s"))).end(body);
});`;

/** One HTTPS request from the pod. */
export function askHttps(client: ClientPod, host: string, options: AskOptions = {}): Promise<PodAnswer> {
    return client.run(`${ASK} return ask(p);`, { host, ...options });
}

/**
 * Steady requests from the pod for a set time: clients that keep their connection, and as many that open a new one for
 * each request. The certificate is verified against `ca`, which may hold several.
 */
export function loadHttps(client: ClientPod, host: string, ca: string, seconds: number): Promise<LoadResult> {
    return client.run(
        `${ASK}
        const end = Date.now() + p.seconds * 1000, result = { requests: 0, failures: [], serials: {} };
        const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        const one = async (agent, ms) => {
            while (Date.now() < end) {
                try {
                    const { status, serial } = await ask({ host: p.host, ca: p.ca, path: "/slow?ms=20", agent });
                    result.requests++;
                    if (status !== 200) result.failures.push("status " + status);
                    if (serial) result.serials[serial] ??= Date.now();
                } catch (error) { result.requests++; result.failures.push(error.code + " " + error.message); }
                await pause(ms);
            }
            agent && agent.destroy();
        };
        await Promise.all([0, 1].flatMap(() => [one(new https.Agent({ keepAlive: true, maxSockets: 1 }), 10), one(false, 50)]));
        return result;`,
        { host, ca, seconds },
    );
}

/** How a TCP connection from the pod ends: `open`, or the error's code. */
export function connect(client: ClientPod, host: string, port: number): Promise<string> {
    return client.run(
        `return new Promise((resolve) => { const socket = require("node:net").connect({ host: p.host, port: p.port, timeout: 2000 });
        socket.on("connect", () => { socket.destroy(); resolve("open"); }).on("error", (error) => resolve(error.code))
            .on("timeout", () => { socket.destroy(); resolve("ETIMEDOUT"); }); });`,
        { host, port },
    );
}
