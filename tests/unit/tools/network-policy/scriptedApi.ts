import { readFileSync, writeFileSync } from "node:fs";
import { ServerResponse } from "node:http";
import { createServer, Server } from "node:https";
import { AddressInfo } from "node:net";
import { join } from "node:path";

import { KubernetesObject } from "../../../../tools/cluster/network-policy/objects";
import { run, waitFor } from "../../../../tools/lib/process";

/** One request for a list (`watchFrom` undefined) or a watch. */
interface Request {
    path: string;
    watchFrom?: string;
}

/**
 * Speaks the list and watch protocol over TLS with client certificates, and fails on command in ways that a real API
 * server cannot be made to fail at a chosen moment.
 */
export class ScriptedApi {
    readonly requests: Request[] = [];
    /** Content and version of each list. */
    readonly collections = new Map<string, { version: number; items: KubernetesObject[] }>();
    /** Answers watches that start from these versions with 410. */
    readonly expired = new Set<string>();
    /** Answers lists of this collection only after it has been taken out. */
    stalled: string | undefined;
    private readonly watches = new Map<string, ServerResponse>();
    private server!: Server;

    /** Makes certificates, listens on loopback and returns the path of a kubeconfig. */
    async start(directory: string): Promise<string> {
        const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
        // One self-signed certificate serves both sides.
        await run("openssl", [
            ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"],
            ...["-subj", "/CN=scripted-api", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        ]);
        const pem = { key: readFileSync(key), cert: readFileSync(cert) };
        const options = { ...pem, ca: pem.cert, requestCert: true, rejectUnauthorized: true };
        this.server = createServer(options, (request, response) =>
            this.answer(new URL(request.url!, "https://api"), response),
        );
        await new Promise<void>((listening) => this.server.listen(0, "127.0.0.1", listening));
        const kubeconfig = join(directory, "kubeconfig");
        const config = {
            "current-context": "test",
            contexts: [{ name: "test", context: { cluster: "c", user: "u" } }],
            clusters: [
                {
                    name: "c",
                    cluster: {
                        server: `https://127.0.0.1:${(this.server.address() as AddressInfo).port}`,
                        "certificate-authority-data": pem.cert.toString("base64"),
                    },
                },
            ],
            users: [
                {
                    name: "u",
                    user: { "client-certificate": "cert.pem", "client-key-data": pem.key.toString("base64") },
                },
            ],
        };
        writeFileSync(kubeconfig, JSON.stringify(config));
        return kubeconfig;
    }

    /** Sends an event to the open watch of a collection, in two pieces: lines need not arrive whole. */
    emit(path: string, type: string, object: object): void {
        const watch = this.watches.get(path)!;
        const line = `${JSON.stringify({ type, object })}\n`;
        watch.write(line.slice(0, 20), () => watch.write(line.slice(20)));
    }

    /** Ends the watch of a collection in the middle of a line. */
    cut(path: string): void {
        const watch = this.watches.get(path)!;
        this.watches.delete(path);
        watch.write('{"type":"ADD', () => watch.destroy());
    }

    watching(path: string): boolean {
        return this.watches.has(path);
    }

    stop(): void {
        this.server?.closeAllConnections();
        this.server?.close();
    }

    private async answer({ pathname: path, searchParams }: URL, response: ServerResponse): Promise<void> {
        const watchFrom = searchParams.get("resourceVersion") ?? undefined;
        this.requests.push({ path, watchFrom });
        if (watchFrom === undefined) {
            await waitFor(`${path} to go on`, () => this.stalled !== path, { everyMs: 10 });
            const { version, items } = this.collections.get(path)!;
            response.end(JSON.stringify({ metadata: { resourceVersion: String(version) }, items }));
        } else if (this.expired.has(watchFrom)) {
            const status = { type: "ERROR", object: { code: 410, message: "too old resource version" } };
            response.end(`${JSON.stringify(status)}\n`);
        } else {
            response.flushHeaders();
            this.watches.set(path, response);
        }
    }
}
