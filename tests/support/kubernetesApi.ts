import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createAuthority, issueCertificate } from "../../images/bootstrap/src/issue";
import { KubernetesClient, KubernetesClientOptions, KubernetesObject } from "../../images/kit/kubernetes";

type Stored = KubernetesObject & Record<string, unknown>;

interface WatchEvent {
    type: string;
    object: object;
}

/** An answer that a test puts before the server's own; undefined leaves the request to the server. */
export type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

/**
 * Loopback HTTPS server that speaks the part of the Kubernetes API that pods use here, over an in-memory store. For the
 * edges of the protocol that a real cluster shows only by chance; the cluster's own behaviour is tested on a cluster.
 */
export class KubernetesApi {
    readonly namespace = "test";
    token = "first-token";
    /** Every request as `METHOD path?query`. */
    readonly requests: string[] = [];
    intercept: Intercept = () => false;
    private readonly objects = new Map<string, Stored>();
    private readonly changes = new EventEmitter().setMaxListeners(0);
    private readonly history: { version: number; key: string; event: WatchEvent }[] = [];
    private readonly sockets = new Set<Socket>();
    private version = 100;
    private compacted = 0;
    private close!: () => Promise<void>;
    /** Folder as Kubernetes mounts it into a pod. */
    serviceAccount!: string;
    port!: number;

    static async start(): Promise<KubernetesApi> {
        const api = new KubernetesApi();
        const ca = await createAuthority("api", 86_400_000);
        const names = { dnsNames: [], ipAddresses: ["127.0.0.1"], usages: ["server auth"] as const };
        const { certificate, key } = await issueCertificate(ca, { ...names, validity: 3_600_000 });
        const server = createServer(
            { cert: certificate, key },
            (request, response) => void api.handle(request, response),
        );
        server.on("connection", (socket: Socket) => {
            api.sockets.add(socket);
            socket.on("close", () => api.sockets.delete(socket));
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        api.port = (server.address() as AddressInfo).port;
        api.serviceAccount = mkdtempSync(join(tmpdir(), "service-account-"));
        writeFileSync(join(api.serviceAccount, "ca.crt"), ca.certificate);
        writeFileSync(join(api.serviceAccount, "namespace"), api.namespace);
        writeFileSync(join(api.serviceAccount, "token"), api.token);
        api.close = async () => {
            api.cutConnections();
            await new Promise((resolve) => server.close(resolve));
            rmSync(api.serviceAccount, { recursive: true });
        };
        return api;
    }

    stop(): Promise<void> {
        return this.close();
    }

    get env(): Record<string, string> {
        return { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: String(this.port) };
    }

    client(options: KubernetesClientOptions = {}): KubernetesClient {
        return new KubernetesClient({ directory: this.serviceAccount, env: this.env, ...options });
    }

    /** Makes another token the only valid one, as the kubelet does before the old one runs out. */
    rotateToken(token: string): void {
        this.token = token;
        writeFileSync(join(this.serviceAccount, "token"), token);
    }

    /** The object in the store, such as `secrets/name`. */
    read<T extends KubernetesObject>(key: string): T | undefined {
        return structuredClone(this.objects.get(key)) as T | undefined;
    }

    /** Writes without a check, as another client. */
    put(key: string, object: object): void {
        const existing = this.objects.get(key);
        const { metadata, ...rest } = object as Stored;
        const stored: Stored = {
            ...rest,
            metadata: {
                uid: existing?.metadata.uid ?? randomUUID(),
                ...metadata,
                name: key.split("/")[1],
                namespace: this.namespace,
                resourceVersion: String(++this.version),
            },
        };
        this.objects.set(key, stored);
        this.record(key, existing ? "MODIFIED" : "ADDED", stored);
    }

    delete(key: string): void {
        const existing = this.objects.get(key);
        if (!existing) return;
        this.objects.delete(key);
        existing.metadata.resourceVersion = String(++this.version);
        this.record(key, "DELETED", existing);
    }

    /** Forgets history: a watch from an older version is answered with 410. */
    compact(): void {
        this.compacted = this.version;
    }

    /** Breaks every connection, as a restart of the API server does. */
    cutConnections(): void {
        for (const socket of this.sockets) socket.destroy();
    }

    /** Ends or fails running watches: an `ERROR` event with this code, or the plain end. */
    endWatches(code?: number): void {
        this.changes.emit("end", code);
    }

    /** Sends a bookmark on running watches and raises the version without a change of any object. */
    bookmark(): void {
        this.version += 10;
        this.changes.emit("bookmark", String(this.version));
    }

    private record(key: string, type: string, object: Stored): void {
        const entry = { version: this.version, key, event: { type, object: structuredClone(object) } };
        this.history.push(entry);
        this.changes.emit("change", entry);
    }

    private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
        this.requests.push(`${request.method} ${request.url}`);
        if (await this.intercept(request, response)) return;
        if (request.headers.authorization !== `Bearer ${this.token}`)
            return fail(response, 401, "Unauthorized", "Unauthorized");
        const url = new URL(request.url!, "https://localhost");
        if (url.pathname === "/apis/apps/v1") {
            const resources = [
                { name: "deployments/status", kind: "Deployment" },
                { name: "deployments", kind: "Deployment" },
            ];
            return send(response, 200, { resources });
        }
        const [, resource, name] = /\/namespaces\/test\/([a-z]+)(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
        if (!resource) return fail(response, 404, "the server could not find the requested resource", "NotFound");
        if (request.method === "GET" && !name) return this.listOrWatch(url.searchParams, resource, request, response);
        await this.readOrWrite(resource, name, request, response);
    }

    private async readOrWrite(
        resource: string,
        name: string | undefined,
        request: IncomingMessage,
        response: ServerResponse,
    ) {
        const body = await bodyOf(request);
        const key = `${resource}/${name ?? body?.metadata.name}`;
        const existing = this.objects.get(key);
        if (request.method === "POST") {
            if (existing)
                return fail(response, 409, `${resource} "${body?.metadata.name}" already exists`, "AlreadyExists");
            this.put(key, body!);
            return send(response, 201, this.objects.get(key)!);
        }
        if (!existing) return fail(response, 404, `${resource} "${name}" not found`, "NotFound");
        if (request.method === "PUT") {
            const based = body!.metadata.resourceVersion;
            if (based && based !== existing.metadata.resourceVersion) {
                return fail(response, 409, "the object has been modified; please apply your changes", "Conflict");
            }
            this.put(key, body!);
        } else if (request.method === "PATCH") {
            if (request.headers["content-type"] !== "application/merge-patch+json")
                return fail(response, 415, "media type", "");
            this.put(key, { ...existing, ...body, metadata: { ...existing.metadata, ...body?.metadata } });
        }
        return send(response, 200, this.objects.get(key)!);
    }

    private listOrWatch(
        query: URLSearchParams,
        resource: string,
        request: IncomingMessage,
        response: ServerResponse,
    ): void {
        const key = `${resource}/${/^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1]}`;
        if (query.get("watch") !== "true") {
            const object = this.objects.get(key);
            return send(response, 200, {
                metadata: { resourceVersion: String(this.version) },
                items: object ? [object] : [],
            });
        }
        const since = Number(query.get("resourceVersion"));
        response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
        const write = (event: WatchEvent) => response.write(`${JSON.stringify(event)}\n`);
        const expired = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
        if (since < this.compacted) {
            write({ type: "ERROR", object: expired });
            response.end();
            return;
        }
        const detach = () => {
            for (const [event, listener] of Object.entries(listeners)) this.changes.off(event, listener);
        };
        const listeners = {
            change: (entry: (typeof this.history)[number]) => entry.key === key && write(entry.event),
            bookmark: (resourceVersion: string) =>
                write({ type: "BOOKMARK", object: { metadata: { resourceVersion } } }),
            end: (code?: number) => {
                detach();
                if (code) write({ type: "ERROR", object: { ...expired, code } });
                response.end();
            },
        };
        for (const entry of this.history) if (entry.version > since) listeners.change(entry);
        for (const [event, listener] of Object.entries(listeners)) this.changes.on(event, listener);
        request.on("close", detach);
    }
}

function send(response: ServerResponse, status: number, body: object): void {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, code: number, message: string, reason: string): void {
    send(response, code, { kind: "Status", code, message, reason });
}

async function bodyOf(request: IncomingMessage): Promise<Stored | undefined> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    return text ? (JSON.parse(text) as Stored) : undefined;
}
